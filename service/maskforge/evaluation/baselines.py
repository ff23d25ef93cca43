"""What can be had without a model, to see what a model is worth."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from PIL import Image

from maskforge.annotations import BoolMask, Photo, RgbImage
from maskforge.evaluation.overlap import Truth
from maskforge.evaluation.ports import Found, Prompt, Tokens
from maskforge.evaluation.protocol import Record, box_prompt, cases, click_prompt

GRABCUT_ROUNDS: Final = 3
FLOOD_TOLERANCE: Final = 20
"""So far, of 255, may a pixel's colour be from the clicked one in each channel."""


def filled_box(photo: RgbImage, prompt: Prompt) -> BoolMask:
    """Take the box itself."""
    mask = np.zeros(photo.shape[:2], np.bool_)
    x1, y1, x2, y2 = _box(prompt)
    mask[y1:y2, x1:x2] = True
    return mask


def ellipse(photo: RgbImage, prompt: Prompt) -> BoolMask:
    """Take the pixels whose centres are in the ellipse that touches the box's sides."""
    x1, y1, x2, y2 = _box(prompt)
    rows, columns = np.ogrid[: photo.shape[0], : photo.shape[1]]
    across = (columns + 0.5 - (x1 + x2) / 2) / ((x2 - x1) / 2)
    down = (rows + 0.5 - (y1 + y2) / 2) / ((y2 - y1) / 2)
    inside: BoolMask = across**2 + down**2 <= 1
    return inside


def grabcut(photo: RgbImage, prompt: Prompt) -> BoolMask:
    """Separate the colours in the box from those beside it (Rother et al. 2004; OpenCV's).

    Where the box leaves nothing beside it, a border of one pixel is taken as background: without any, OpenCV refuses.
    """
    height, width = photo.shape[:2]
    x1, y1, x2, y2 = _box(prompt)
    x1, y1, x2, y2 = max(x1, 1), max(y1, 1), min(x2, width - 1), min(y2, height - 1)
    if x2 <= x1 or y2 <= y1:
        return np.zeros((height, width), np.bool_)
    labels = np.zeros((height, width), np.uint8)
    background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)
    rectangle = (x1, y1, x2 - x1, y2 - y1)
    cv2.grabCut(photo, labels, rectangle, background, foreground, GRABCUT_ROUNDS, cv2.GC_INIT_WITH_RECT)
    mask: BoolMask = (labels & 1).astype(np.bool_)  # GC_FGD and GC_PR_FGD are odd
    return mask


def colour_flood(photo: RgbImage, prompt: Prompt) -> BoolMask:
    """Take what is connected with the clicked pixel and has about its colour."""
    x, y, _ = prompt.points[0]
    height, width = photo.shape[:2]
    mask = np.zeros((height + 2, width + 2), np.uint8)
    tolerance = (FLOOD_TOLERANCE,) * 3
    cv2.floodFill(
        photo.copy(), mask, (x, y), 0, tolerance, tolerance, cv2.FLOODFILL_FIXED_RANGE | cv2.FLOODFILL_MASK_ONLY
    )
    return mask[1:-1, 1:-1].astype(np.bool_)


@dataclass(frozen=True, slots=True)
class Baseline:
    """Draws a mask from the pixels and one kind of prompt; a predictor.

    Attributes:
        draw: Takes RGB uint8 [h,w,3] and the prompt.
        prompt: The kind of prompt that it understands.
    """

    draw: Callable[[RgbImage, Prompt], BoolMask]
    prompt: Callable[[Truth], Prompt]

    def look_at(self, photo: Photo) -> "BaselineView":
        """Read the photo."""
        return BaselineView(self, photo.read())


class BaselineView:
    """A photo, as pixels."""

    def __init__(self, baseline: Baseline, image: Image.Image) -> None:
        """Answer with `baseline`."""
        self._baseline = baseline
        self._pixels = np.array(image)

    def segment(self, prompts: Sequence[Prompt], tokens: Tokens) -> list[list[Found]]:
        """Draw one mask for each prompt; there are no other readings."""
        del tokens
        return [[Found(self._baseline.draw(self._pixels, prompt))] for prompt in prompts]


BASELINES: Final[Mapping[str, Baseline]] = {
    "filled_box": Baseline(filled_box, box_prompt),
    "ellipse": Baseline(ellipse, box_prompt),
    "grabcut": Baseline(grabcut, box_prompt),
    "colour_flood": Baseline(colour_flood, click_prompt),
}


def measure_baselines(photo: Photo) -> list[Record]:
    """Ask every baseline about all masks of a photo."""
    views = {name: baseline.look_at(photo) for name, baseline in BASELINES.items()}
    records = []
    for some in cases(photo):
        for name, view in views.items():
            prompts = [BASELINES[name].prompt(case.truth) for case in some]
            for case, (found,) in zip(some, view.segment(prompts, Tokens.SINGLE), strict=True):
                case.note(name, found)
        records += [case.record for case in some]
    return records


def _box(prompt: Prompt) -> tuple[int, int, int, int]:
    if prompt.box is None:
        raise ValueError("this baseline needs a box")
    return prompt.box
