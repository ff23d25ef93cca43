"""Chooses clicks and boxes for a known mask."""

import cv2
import numpy as np
import numpy.typing as npt

from maskforge.annotations import BoolMask

Point = tuple[int, int]


def centre_click(mask: BoolMask) -> Point:
    """Return (x, y) of the pixel farthest from the mask's outside (RITM's and SAM's protocol).

    The outside of the image counts as outside of the mask.
    """
    padded = np.pad(mask, 1).astype(np.uint8)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    row, column = np.unravel_index(int(distance.argmax()), distance.shape)
    return int(column), int(row)


def random_click(mask: BoolMask, rng: np.random.Generator) -> Point:
    """Return (x, y) of a pixel of the mask, each as likely as any other."""
    pixel = int(rng.choice(np.flatnonzero(mask)))
    row, column = divmod(pixel, mask.shape[1])
    return column, row


def tight_box(mask: BoolMask) -> npt.NDArray[np.float32]:
    """Return the box around the mask: float32 XYXY pixel edges, the far ones exclusive."""
    columns = np.flatnonzero(mask.any(axis=0))
    rows = np.flatnonzero(mask.any(axis=1))
    edges = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    return np.array(edges, dtype=np.float32)


def noisy_box(mask: BoolMask, noise: float, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return the box around the mask with each edge moved by about `noise` of its length."""
    box = tight_box(mask)
    size = np.tile(box[2:] - box[:2], 2)
    moved = box + (rng.standard_normal(4) * noise * size).clip(-0.3 * size, 0.3 * size)
    height, width = mask.shape
    return moved.clip(0, [width, height, width, height]).astype(np.float32)
