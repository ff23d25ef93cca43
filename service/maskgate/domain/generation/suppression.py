"""Of masks whose boxes overlap too much, one stays: non-maximal suppression, as torchvision has it.

The reference's boxes, and those here, have right and bottom edges inclusive (`batched_mask_to_box`), so a box one pixel
wide has no area; such boxes overlap nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_Floats = npt.NDArray[np.float32]
_STAYS = -1


@dataclass(frozen=True, slots=True)
class Suppression:
    """Which of n boxes stay.

    Attributes:
        kept: int64 [k], those that stay, highest score first.
        by: int64 [n], for each the one that it gives way to; -1 for those that stay.
    """

    kept: npt.NDArray[np.int64]
    by: npt.NDArray[np.int64]


def suppress(boxes: _Floats, scores: npt.NDArray[np.floating], threshold: float) -> Suppression:
    """Keep the best, drop what overlaps it by more than the threshold, and so on with the rest.

    Args:
        boxes: float32 [n, 4], XYXY.
        scores: [n]; of equal ones the first is better (torchvision sorts stably).
        threshold: Of the IoU.
    """
    order = np.argsort(-scores, kind="stable")
    by = np.full(len(boxes), _STAYS, np.int64)
    if threshold >= 1:  # no IoU is higher, and this would take longest
        return Suppression(order, by)
    kept = []
    while order.size:
        best, order = order[0], order[1:]
        kept.append(best)
        is_duplicate = _overlaps(boxes[best], boxes[order]) > threshold
        by[order[is_duplicate]] = best
        order = order[~is_duplicate]
    return Suppression(np.array(kept, np.int64), by)


def _overlaps(box: _Floats, others: _Floats) -> _Floats:
    """Return the IoU of a box with others, float32 [n]; 0 where neither has an area."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    sides = np.maximum(high - low, 0)
    common = sides[:, 0] * sides[:, 1]
    union = _area(box[None]) + _area(others) - common
    overlaps: _Floats = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    return overlaps


def _area(boxes: _Floats) -> _Floats:
    area: _Floats = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return area
