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
    _, x, y = _deepest(mask)
    return x, y


def next_click(predicted: BoolMask, truth: BoolMask, counted: BoolMask) -> tuple[int, int, int] | None:
    """Return (x, y, label) of the click that corrects most, or None where nothing is wrong.

    The pixel farthest from the edge of the region of errors that it is in, among all that is missed (label 1) and all
    that is too much (label 0): RITM's protocol (Sofiiuk et al. 2021, `isegm/inference/clicker.py`), which SAM's paper
    calls the standard one (appendix D.1).
    """
    missed, surplus = truth & ~predicted & counted, predicted & ~truth & counted
    found = [(*_deepest(region), label) for region, label in ((missed, 1), (surplus, 0)) if region.any()]
    if not found:
        return None
    _, x, y, label = max(found, key=lambda each: each[0])
    return x, y, label


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


def _deepest(mask: BoolMask) -> tuple[float, int, int]:
    """Return the distance to the outside, x and y of the pixel that is farthest from it."""
    padded = np.pad(mask, 1).astype(np.uint8)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    row, column = np.unravel_index(int(distance.argmax()), distance.shape)
    return float(distance[row, column]), int(column), int(row)
