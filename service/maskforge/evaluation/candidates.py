"""Masks of everything in a photo: a grid of clicks, three masks each, without duplicates."""

from collections.abc import Sequence
from typing import Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from maskforge.annotations import Photo
from maskforge.evaluation.local import LocalView, stability
from maskforge.evaluation.ports import Prompt
from maskforge.preprocessing import MASK_THRESHOLD

POINTS_AT_ONCE: Final = 16


class Candidates(NamedTuple):
    """N masks.

    Attributes:
        logits: float16 [N,M,M], low-resolution.
        predicted_iou: float32 [N].
        stability: float32 [N].
        boxes: int64 [N,4], XYXY cells of the low-resolution logits, far edges exclusive.
    """

    logits: Tensor
    predicted_iou: Tensor
    stability: Tensor
    boxes: Tensor

    def only(self, which: Tensor) -> Self:
        """Return those at `which`, in that order."""
        return type(self)(*(tensor[which] for tensor in self))

    @property
    def score(self) -> Tensor:
        """What proposals are ranked by: the mean of predicted IoU and stability (SAM paper, appendix D.3)."""
        return (self.predicted_iou + self.stability) / 2


def find_candidates(photo: Photo, view: LocalView, points_per_side: int) -> Candidates:
    """Click on a grid and take all multimask outputs that have a pixel."""
    points = grid(photo, points_per_side)
    batches = [_decode(points[start : start + POINTS_AT_ONCE], view) for start in range(0, len(points), POINTS_AT_ONCE)]
    return Candidates(*(torch.cat(parts) for parts in zip(*batches, strict=True)))


def grid(photo: Photo, points_per_side: int) -> list[Prompt]:
    """Return clicks in the middle of each cell of a regular grid (`build_point_grid` of the reference)."""
    steps = (np.arange(points_per_side) + 0.5) / points_per_side
    return [Prompt(points=((int(x * photo.width), int(y * photo.height), 1),)) for y in steps for x in steps]


def without_duplicates(candidates: Candidates, threshold: float) -> Candidates:
    """Drop each whose box overlaps that of one of a higher predicted IoU by more than `threshold`."""
    order = candidates.predicted_iou.argsort(descending=True, stable=True)
    kept = suppress(candidates.boxes[order].numpy(), threshold)
    return candidates.only(order[torch.from_numpy(kept)])


def suppress(boxes: npt.NDArray[np.int64], threshold: float) -> npt.NDArray[np.int64]:
    """Return the indices of the boxes [N,4] that no earlier box which is kept overlaps by an IoU above `threshold`."""
    alive = np.ones(len(boxes), np.bool_)
    kept = []
    for index in range(len(boxes)):
        if alive[index]:
            kept.append(index)
            alive[index + 1 :] &= _box_iou(boxes[index], boxes[index + 1 :]) <= threshold
    return np.array(kept, np.int64)


def _decode(points: Sequence[Prompt], view: LocalView) -> Candidates:
    logits, iou = view.decode(points)
    masks, seen = logits[:, 1:].flatten(0, 1), view.visible(logits[:, 1:].flatten(0, 1))
    found = (seen > MASK_THRESHOLD).flatten(1).any(1)
    return Candidates(masks[found].half(), iou[:, 1:].flatten()[found], stability(seen)[found], _boxes(seen[found]))


def _boxes(logits: Tensor) -> Tensor:
    """Return the boxes of masks that have a pixel: [N,h,w] to int64 [N,4]."""
    masks = logits > MASK_THRESHOLD
    columns, rows = masks.any(1).byte(), masks.any(2).byte()
    first = (columns.argmax(1), rows.argmax(1))
    last = (columns.shape[1] - columns.flip(1).argmax(1), rows.shape[1] - rows.flip(1).argmax(1))
    return torch.stack((*first, *last), dim=1)


def _box_iou(box: npt.NDArray[np.int64], others: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    overlap = sides.clip(0).prod(1)
    union = (box[2:] - box[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(1) - overlap
    iou: npt.NDArray[np.float64] = overlap / union
    return iou
