"""The evaluation protocol: one click, or one box, for every mask of every photo.

Crowds are skipped, pixels marked `ignore` are left out, masks smaller than 0.1 % of the photo
are skipped. A click is the pixel farthest from the mask's outside, a box the tight one.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
from torch import Tensor

from maskforge.annotations import Annotation, BoolMask, Photo
from maskforge.clicks import centre_click, tight_box
from maskforge.evaluation.predictors import Floats, Predictor
from maskforge.preprocessing import MASK_THRESHOLD, Letterbox
from maskforge.sam.prompt_encoder import (
    BOX_BOTTOM_RIGHT,
    BOX_TOP_LEFT,
    FOREGROUND,
    PAD_POINT,
)

SMALLEST_MASK_SHARE: Final = 0.001
PROMPTS_AT_ONCE: Final = 8
CLICK_LABELS: Final = (FOREGROUND, PAD_POINT)
BOX_LABELS: Final = (BOX_TOP_LEFT, BOX_BOTTOM_RIGHT)


class Scores(NamedTuple):
    """The IoU of one mask's predictions, or means of it.

    Attributes:
        box: A box; the multimask output of the best predicted IoU.
        box_single: A box; the single-mask token.
        click: One click; the multimask output of the best predicted IoU.
        click_oracle: One click; the best of the multimask outputs.
        click_single: One click; the single-mask token.
    """

    box: float
    box_single: float
    click: float
    click_oracle: float
    click_single: float


class Truth(NamedTuple):
    """A mask and which pixels count: bool [h,w]."""

    mask: BoolMask
    counted: BoolMask


class Outcome(NamedTuple):
    """The IoU of the T masks of one prompt, measured and predicted."""

    measured: Sequence[float]
    predicted: Tensor

    @property
    def single(self) -> float:
        """The single-mask token's."""
        return self.measured[0]

    @property
    def chosen(self) -> float:
        """That of the multimask output whose predicted IoU is best."""
        return self.measured[int(self.predicted[1:].argmax()) + 1]

    @property
    def oracle(self) -> float:
        """The best of the multimask outputs."""
        return max(self.measured[1:])


def evaluate_photo(photo: Photo, predictor: Predictor) -> Iterator[Scores]:
    """Yield the scores of each of the photo's masks."""
    letterbox = Letterbox.fit(photo.height, photo.width, predictor.image_size)
    frame = letterbox.resize(photo.read())
    embedding = predictor.encode(frame, (letterbox.new_height, letterbox.new_width))
    for annotations in _chunks(photo.annotations, PROMPTS_AT_ONCE):
        truths = [Truth(each.mask(), ~each.ignored()) for each in annotations]
        clicks, boxes = (
            predictor.decode(embedding, letterbox.to_frame(coords), labels)
            for coords, labels in (click_prompts(truths), box_prompts(truths))
        )
        for index, truth in enumerate(truths):
            by_click, by_box = (
                Outcome(_ious(truth, letterbox.to_photo(logits[index, None])), predicted[index])
                for logits, predicted in (clicks, boxes)
            )
            yield Scores(
                box=by_box.chosen,
                box_single=by_box.single,
                click=by_click.chosen,
                click_oracle=by_click.oracle,
                click_single=by_click.single,
            )


def click_prompts(truths: Sequence[Truth]) -> tuple[Floats, Floats]:
    """Return a click and SAM's pad point for each mask: float32 [K,2,2] and [K,2]."""
    coords = np.array([(centre_click(truth.mask), (0, 0)) for truth in truths], np.float32)
    return coords, np.tile(np.array(CLICK_LABELS, np.float32), (len(truths), 1))


def box_prompts(truths: Sequence[Truth]) -> tuple[Floats, Floats]:
    """Return the two corners of each mask's box: float32 [K,2,2] and [K,2]."""
    coords = np.stack([tight_box(truth.mask).reshape(2, 2) for truth in truths])
    return coords, np.tile(np.array(BOX_LABELS, np.float32), (len(truths), 1))


def iou(predicted: BoolMask, truth: Truth) -> float:
    """Return the intersection over union on the pixels that count; 1 if both are empty there."""
    overlap = int((predicted & truth.mask & truth.counted).sum())
    union = int(((predicted | truth.mask) & truth.counted).sum())
    return overlap / union if union else 1.0


def mean_scores(scores: Iterable[Scores]) -> Scores:
    """Return the mean of each figure."""
    return Scores(*(float(np.mean(column)) for column in zip(*scores, strict=True)))


def _ious(truth: Truth, logits: Tensor) -> list[float]:
    masks = (logits[0] > MASK_THRESHOLD).numpy()
    return [iou(mask, truth) for mask in masks]


def _chunks(items: Sequence[Annotation], size: int) -> Iterator[Sequence[Annotation]]:
    return (items[start : start + size] for start in range(0, len(items), size))
