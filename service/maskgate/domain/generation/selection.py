"""Which candidates are the result, of those found so far.

The reference suppresses duplicates within each crop when that is done, the best predicted IoU first, and between crops
at the end, those of smaller crops first. Crops are decoded smallest first here, so both can be done when a crop is
done: what stays of it stays for good. Until then what stays is a guess that each batch may change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from maskgate.domain.generation.candidates import Candidates
from maskgate.domain.generation.suppression import STAYS, Survivors, first_overlapping, suppress

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from maskgate.domain.generation.candidates import CandidateId
    from maskgate.domain.generation.settings import GenerationSettings
    from maskgate.domain.generation.suppression import Suppression
    from maskgate.domain.steps import Steps

    _Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Selected:
    """What is part of the result.

    Attributes:
        kept: Best first; of a batch, those that it has added.
        replaced: For each of those that no longer are, which one is in its place.
    """

    kept: Candidates
    replaced: Mapping[CandidateId, CandidateId]


class CropSelection:
    """The candidates of a crop.

    Args:
        settings: The thresholds.
        settled: What stays of the crops that are done.
    """

    def __init__(self, settings: GenerationSettings, settled: Candidates) -> None:
        self._settings = settings
        self._settled = settled
        self._found = Candidates.none()
        self._within = Survivors(settings.box_nms_thresh)
        self._hidden_by: _Integers = np.empty(0, np.int64)  # by which of those that are settled; or STAYS

    def take(self, found: Candidates) -> Steps[Selected]:
        """Add what a batch has found; say what would change, if it ended now and nothing came back."""
        first, before = len(self._found), self._shown
        hidden_by = yield from first_overlapping(found.boxes, self._settled.boxes, self._between)
        self._found, self._hidden_by = self._found + found, np.concatenate((self._hidden_by, hidden_by))
        yield from self._within.add(found.boxes, found.ious)
        after = self._shown
        return self._selected(after[after >= first], before[~np.isin(before, after)], self._within.by)

    def settle(self) -> Steps[Selected]:
        """End the crop; say all that stays of it, and what no longer does."""
        before = self._shown
        yield from self._within.settle()
        after, by = self._shown, self._within.by
        if self._is_stricter_between_crops:
            between = yield from suppress(self._found.boxes[after], self._found.ious[after], self._between)
            by = by.copy()
            by[after[between.by != STAYS]] = after[between.by[between.by != STAYS]]
            after = after[between.kept]
        return self._selected(after, before[~np.isin(before, after)], by)

    @property
    def _shown(self) -> _Integers:
        """Numbers of those that stay within their crop and are no duplicates of what is settled, the best first."""
        kept = self._within.kept
        shown: _Integers = kept[self._hidden_by[kept] == STAYS]
        return shown

    @property
    def _between(self) -> float:
        return self._settings.crop_nms_thresh

    @property
    def _is_stricter_between_crops(self) -> bool:
        """Whether what stays within a crop may be a duplicate by the threshold between crops: all are held to that."""
        return self._settings.crop_n_layers > 0 and self._between < self._settings.box_nms_thresh

    def _selected(self, kept: _Integers, dropped: _Integers, by: _Integers) -> Selected:
        names = self._found[dropped].ids
        instead = [self._in_place_of(number, by) for number in dropped.tolist()]
        return Selected(self._found[kept], dict(zip(names, instead, strict=True)))

    def _in_place_of(self, number: int, by: _Integers) -> CandidateId:
        while by[number] != STAYS:
            number = int(by[number])
        hidden_by = int(self._hidden_by[number])
        return self._found.name(number) if hidden_by == STAYS else self._settled.name(hidden_by)


def without_duplicates(
    boxes: npt.NDArray[np.float32], changed: npt.NDArray[np.bool_], settings: GenerationSettings
) -> Steps[Suppression]:
    """Suppress masks that became duplicates when small regions were removed; those that did not change stay first.

    `postprocess_small_regions` of the reference. Boxes are as those of Candidates.
    """
    return suppress(boxes, 1.0 - changed, max(settings.box_nms_thresh, settings.crop_nms_thresh))
