"""Small holes and islands of masks, found and removed on their runs.

The reference has OpenCV label the pixels (segment_anything/utils/amg.py, `remove_small_regions`). Runs are a thousandth
of the pixels: those of neighbouring columns that touch, corners included, belong together.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from maskgate.domain.runs import Runs

_Integers = npt.NDArray[np.int64]


def without_small_regions(runs: Runs, area: int) -> Runs:
    """Fill holes and drop islands of fewer pixels; where every island is smaller, the largest stays.

    A hole is a connected part of what is not the mask, also where it lies at the image's edge. Holes are filled first.

    Returns:
        The very runs that were given where there is nothing to remove.
    """
    background = runs.inverted()
    filled = _without_small(background, area)
    mask = runs if filled is background else filled.inverted()
    return _without_small(mask, area, keep_largest=True)


def _without_small(runs: Runs, area: int, *, keep_largest: bool = False) -> Runs:
    parts = runs.by_column()
    labels = _labels(parts, runs.size.height)
    areas = np.bincount(labels, weights=parts[:, 2] - parts[:, 1])
    is_small = (areas > 0) & (areas < area)
    if not is_small.any():
        return runs
    if keep_largest and np.array_equal(is_small, areas > 0):
        is_small[int(areas.argmax())] = False
    return Runs.of_columns(runs.size, parts[~is_small[labels]])


def _labels(parts: _Integers, height: int) -> _Integers:
    """Give all parts [n, 3] (column, top, bottom) that are connected the same number, that of one of them."""
    labels = np.arange(len(parts))
    left, right = _touching(parts, height)
    while True:
        lowest = np.minimum(labels[left], labels[right])
        if np.array_equal(labels[left], labels[right]):
            return labels
        np.minimum.at(labels, labels[left], lowest)
        np.minimum.at(labels, labels[right], lowest)
        labels = _followed(labels)


def _followed(labels: _Integers) -> _Integers:
    """Replace each number by the one at the end of its chain."""
    while not np.array_equal(further := labels[labels], labels):
        labels = further
    return labels


def _touching(parts: _Integers, height: int) -> tuple[_Integers, _Integers]:
    """Find all pairs of parts in neighbouring columns that share an edge or a corner."""
    column, top, bottom = parts.T
    stride = height + 2  # of the keys: those of one column lie together, its last below the next one's first
    first = np.searchsorted(column * stride + bottom, (column + 1) * stride + top, side="left")
    last = np.searchsorted(column * stride + top, (column + 1) * stride + bottom, side="right")
    counts = np.maximum(last - first, 0)
    left = np.repeat(np.arange(len(parts)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return left, np.repeat(first, counts) + within
