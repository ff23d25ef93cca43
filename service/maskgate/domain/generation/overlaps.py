"""How far boxes overlap, compared only where they can.

Boxes of a high IoU have left edges that are near each other, measured by their widths. So with both sides in the order
of their left edges only a window of one is compared with some of the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterator

_Floats = npt.NDArray[np.float32]
_Bools = npt.NDArray[np.bool_]
_Integers = npt.NDArray[np.int64]

PAIRS = 1 << 17
"""Compared at once, at most: a millisecond."""
_LEAST_ROWS = 16
"""Compared with one window; fewer would cost more calls than comparisons."""
_ROUNDING = 1.0
"""Pixels; windows are a little wider than they need to be."""


def overlaps(boxes: _Floats, others: _Floats) -> _Floats:
    """Return the IoU of each box with each of others, float32 [n, m]; NaN where neither has an area.

    In the order of torchvision's operations, so that what lies at a threshold lies on the same side.
    """
    (x1, y1, x2, y2), (left, top, right, bottom) = boxes.T[:, :, None], others.T
    common = np.maximum(np.minimum(x2, right) - np.maximum(x1, left), 0)
    common *= np.maximum(np.minimum(y2, bottom) - np.maximum(y1, top), 0)
    union = _areas(boxes)[:, None] + _areas(others)
    union -= common
    with np.errstate(invalid="ignore"):
        iou: _Floats = np.divide(common, union, out=common)
    return iou


def overlapping(boxes: _Floats, others: _Floats, threshold: float) -> Iterator[tuple[_Integers, _Integers, _Bools]]:
    """Find which boxes have a higher IoU than the threshold with which others, some at a time.

    Yields:
        Numbers of some boxes [r] and of some others [c], and whether their IoU is above the threshold, bool [r, c].
        At most PAIRS of them; what is not yielded is not above.
    """
    by_left, other_by_left = boxes[:, 0].argsort(kind="stable"), others[:, 0].argsort(kind="stable")
    first, last = _windows(boxes[by_left], others[other_by_left, 0], threshold)
    size = max(_LEAST_ROWS, PAIRS // max(1, len(others)))
    for start in range(0, len(boxes), size):
        part = slice(start, start + size)
        rows = by_left[part]
        for column in range(first[part].min(), last[part].max(), PAIRS // size):
            columns = other_by_left[column : min(column + PAIRS // size, last[part].max())]
            yield rows, columns, overlaps(boxes[rows], others[columns]) > threshold


def _windows(boxes: _Floats, lefts: _Floats, threshold: float) -> tuple[_Integers, _Integers]:
    """Return for each box the first and the last (exclusive) of ascending left edges that it is to be compared with.

    An IoU is never above that of the two intervals along one axis. With a box of width w whose left edge lies d before
    another's, that is at most (w - d) / w; with one whose left edge lies d behind it, at most w / (w + d).
    """
    left, width = boxes[:, 0], boxes[:, 2] - boxes[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        before = np.nan_to_num(width * (1 / np.float64(threshold) - 1), posinf=np.inf)
    first = np.searchsorted(lefts, left - before - _ROUNDING)
    last = np.searchsorted(lefts, left + width * (1 - threshold) + _ROUNDING, side="right")
    return first, last


def _areas(boxes: _Floats) -> _Floats:
    area: _Floats = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return area
