"""Of masks whose boxes overlap too much, one stays: non-maximal suppression, as torchvision has it.

The reference's boxes, and those here, have right and bottom edges inclusive (`batched_mask_to_box`), so a box one pixel
wide has no area; such boxes overlap nothing.

Boxes come batch by batch. Each batch is compared with what stays so far, and with itself, but not with what gave way
before: that is exact but for boxes that gave way to one that gave way itself, and those are looked at once, at the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from maskgate.domain.generation.overlaps import overlapping, overlaps

if TYPE_CHECKING:
    from maskgate.domain.steps import Steps

_Floats = npt.NDArray[np.float32]
_Integers = npt.NDArray[np.int64]
STAYS = -1
"""In the place of the number of a box that another one gives way to."""
_BLOCK = 256
"""Boxes that are compared with each other at once, before one after the other wins or gives way."""


@dataclass(frozen=True, slots=True)
class Suppression:
    """Which of n boxes stay.

    Attributes:
        kept: int64 [k], those that stay, highest score first.
        by: int64 [n], for each the one that it gives way to; -1 for those that stay.
    """

    kept: _Integers
    by: _Integers


def suppress(boxes: _Floats, scores: npt.NDArray[np.floating], threshold: float) -> Steps[Suppression]:
    """Keep the best, drop what overlaps it by more than the threshold, and so on with the rest.

    Args:
        boxes: float32 [n, 4], XYXY.
        scores: [n]; of equal ones the first is better (torchvision sorts stably).
        threshold: Of the IoU.
    """
    survivors = Survivors(threshold)
    yield from survivors.add(boxes, scores)
    return Suppression(survivors.kept, survivors.by)


class Survivors:
    """The boxes that stay, of those that came so far.

    Attributes:
        kept: int64 [k], their numbers, in the order in which boxes came; the best first.
        by: int64 [n], for each box the one that it gave way to; -1 for those that stay.
    """

    def __init__(self, threshold: float) -> None:
        self.kept: _Integers = np.empty(0, np.int64)
        self.by: _Integers = np.empty(0, np.int64)
        self._threshold = threshold
        self._boxes: _Floats = np.empty((0, 4), np.float32)
        self._scores: npt.NDArray[np.floating] = np.empty(0, np.float32)

    def add(self, boxes: _Floats, scores: npt.NDArray[np.floating]) -> Steps[None]:
        """Compare more boxes with those that stay; better ones oust them."""
        new = np.arange(len(self.by), len(self.by) + len(boxes))
        self._boxes = np.concatenate((self._boxes, boxes))
        self._scores = np.concatenate((self._scores, np.where(np.isnan(scores), -np.inf, scores)))
        self.by = np.append(self.by, np.full(len(boxes), STAYS))
        yield from self._compare(self._best_first(new))

    def settle(self) -> Steps[None]:
        """Take back what gave way to boxes that do not stay: what stays then does not depend on the order of batches.

        All that is better than the best of those is as it would be; the rest is compared again, the best first.
        """
        gave_way = np.flatnonzero(self.by != STAYS)
        in_doubt = gave_way[self.by[self.by[gave_way]] != STAYS]
        if in_doubt.size:
            order = self._best_first(np.arange(len(self.by)))
            first = int(np.isin(order, in_doubt).argmax())
            self.by[order[first:]] = STAYS
            self.kept = order[:first][self.by[order[:first]] == STAYS]
            yield from self._compare(order[first:])

    def _compare(self, best_first: _Integers) -> Steps[None]:
        for start in range(0, len(best_first), _BLOCK):
            yield from self._enter(best_first[start : start + _BLOCK])

    def _enter(self, block: _Integers) -> Steps[None]:
        """Let boxes in that no better one overlaps, the best first, and put out what they overlap."""
        yield from self._oust(block, self.kept)
        entering = block[self.by[block] == STAYS]
        beaten_by = _first_wins(self._boxes[entering], self._threshold)
        is_beaten = beaten_by != STAYS
        self.by[entering[is_beaten]] = entering[beaten_by[is_beaten]]
        winners = entering[~is_beaten]
        yield from self._oust(self.kept, winners)
        self.kept = self._best_first(np.concatenate((self.kept[self.by[self.kept] == STAYS], winners)))

    def _oust(self, numbers: _Integers, others: _Integers) -> Steps[None]:
        """Have boxes give way to the first of others, the best first, that overlaps them, if it is better."""
        numbers = numbers[self._is_better(others[:1], numbers)] if others.size else others
        first = yield from first_overlapping(self._boxes[numbers], self._boxes[others], self._threshold)
        numbers, by = numbers[first != STAYS], others[first[first != STAYS]]
        gives_way = self._is_better(by, numbers)
        self.by[numbers[gives_way]] = by[gives_way]

    def _is_better(self, ones: _Integers, others: _Integers) -> npt.NDArray[np.bool_]:
        scores, other_scores = self._scores[ones], self._scores[others]
        is_better: npt.NDArray[np.bool_] = (scores > other_scores) | (scores == other_scores) & (ones < others)
        return is_better

    def _best_first(self, numbers: _Integers) -> _Integers:
        return numbers[np.lexsort((numbers, -self._scores[numbers]))]


def first_overlapping(boxes: _Floats, others: _Floats, threshold: float) -> Steps[_Integers]:
    """Find for each box the first of others whose IoU with it is above the threshold: int64 [n], -1 for none."""
    first = np.full(len(boxes), len(others))
    for rows, columns, is_over in overlapping(boxes, others, threshold):
        first[rows] = np.minimum(first[rows], np.where(is_over, columns, len(others)).min(axis=1))
        yield
    first[first == len(others)] = STAYS
    return first


def _first_wins(boxes: _Floats, threshold: float) -> _Integers:
    """Compare boxes with each other, the best first: for each the one that it gives way to, int64 [n]."""
    by = np.full(len(boxes), STAYS)
    is_over = overlaps(boxes, boxes) > threshold
    for number in range(len(boxes)):
        if by[number] == STAYS:
            gives_way = is_over[number] & (by == STAYS)
            gives_way[: number + 1] = False
            by[gives_way] = number
    return by
