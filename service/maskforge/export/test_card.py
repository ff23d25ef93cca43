"""A made-up photo with prompts on it: what a build is checked with.

A build must not depend on photos that lie beside it, and random noise would excite an encoder in ways that no photo
does. So: ellipses of random colours on a slope of brightness, with a little noise, wider than high, so that there is
padding as well.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from maskforge.export.triton_config import POINT_SLOTS
from maskforge.sam.config import SamConfig
from maskforge.sam.prompt_encoder import (
    BACKGROUND,
    BOX_BOTTOM_RIGHT,
    BOX_TOP_LEFT,
    EMPTY_SLOT,
    FOREGROUND,
    PAD_POINT,
)

SEED: Final = 20230405
ELLIPSES: Final = 9
HEIGHT_SHARE: Final = 0.75
LOGIT: Final = 8.0

Floats = npt.NDArray[np.float32]
Slot = tuple[float, float, float]
"""x, y, label."""


class TestCard(NamedTuple):
    """One frame and N prompts on it.

    Attributes:
        image: uint8 [1,3,S,S], RGB.
        valid_hw: int32 [1,2].
        point_coords: float32 [N,P,2], XY pixels of the frame.
        point_labels: float32 [N,P].
        mask_input: float16 [N,M,M], logits.
        has_mask_input: float32 [N]; the last prompt has one.
    """

    image: npt.NDArray[np.uint8]
    valid_hw: npt.NDArray[np.int32]
    point_coords: Floats
    point_labels: Floats
    mask_input: npt.NDArray[np.float16]
    has_mask_input: Floats


class Ellipse(NamedTuple):
    """Centre and half axes in pixels, colour 0 to 255."""

    x: float
    y: float
    width: float
    height: float
    colour: Floats

    def covers(self, rows: Floats, columns: Floats) -> npt.NDArray[np.bool_]:
        """Mark the pixels inside."""
        inside: npt.NDArray[np.bool_] = ((columns - self.x) / self.width) ** 2 + (
            (rows - self.y) / self.height
        ) ** 2 < 1
        return inside


def draw_test_card(config: SamConfig) -> TestCard:
    """Draw the same card every time for a model's sizes."""
    rng = np.random.default_rng(SEED)
    side = config.image_size
    height = round(side * HEIGHT_SHARE)
    ellipses = [_ellipse(rng, height, side) for _ in range(ELLIPSES)]
    prompts = _prompts(ellipses[-1], ellipses[-2])
    return TestCard(
        _paint(rng, ellipses, side),
        np.array([[height, side]], np.int32),
        np.array([[(x, y) for x, y, _ in slots] for slots in prompts], np.float32),
        np.array([[label for _, _, label in slots] for slots in prompts], np.float32),
        np.stack([_logits(ellipses[-1], config)] * len(prompts)),
        np.array([0.0] * (len(prompts) - 1) + [1.0], np.float32),
    )


def _ellipse(rng: np.random.Generator, height: int, width: int) -> Ellipse:
    x, y = rng.uniform(0.15, 0.85, 2) * (width, height)
    across, down = rng.uniform(0.05, 0.2, 2) * height
    return Ellipse(x, y, across, down, rng.uniform(0, 255, 3).astype(np.float32))


def _paint(rng: np.random.Generator, ellipses: list[Ellipse], side: int) -> npt.NDArray[np.uint8]:
    rows, columns = np.mgrid[:side, :side].astype(np.float32)
    canvas = np.repeat(((rows + columns) * (200 / (2 * side)))[None], 3, axis=0)
    for ellipse in ellipses:
        canvas[:, ellipse.covers(rows, columns)] = ellipse.colour[:, None]
    noisy = canvas + rng.normal(0, 6, canvas.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)[None]


def _logits(ellipse: Ellipse, config: SamConfig) -> npt.NDArray[np.float16]:
    scale = config.image_size / config.mask_size
    rows, columns = (np.mgrid[: config.mask_size, : config.mask_size].astype(np.float32) + 0.5) * scale
    return np.where(ellipse.covers(rows, columns), LOGIT, -LOGIT).astype(np.float16)


def _prompts(front: Ellipse, behind: Ellipse) -> list[list[Slot]]:
    """One click, two, a box, a box with a click, and a click with a mask."""
    click, other = (front.x, front.y, FOREGROUND), (behind.x, behind.y, BACKGROUND)
    box = (
        (front.x - front.width, front.y - front.height, BOX_TOP_LEFT),
        (front.x + front.width, front.y + front.height, BOX_BOTTOM_RIGHT),
    )
    pad = (0.0, 0.0, PAD_POINT)
    prompts = ((click, pad), (click, other, pad), box, (click, *box), (click, pad))
    return [[*slots, *[(0.0, 0.0, EMPTY_SLOT)] * (POINT_SLOTS - len(slots))] for slots in prompts]
