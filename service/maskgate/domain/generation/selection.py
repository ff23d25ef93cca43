"""Which candidates are the result, of those found so far.

The reference suppresses duplicates within each crop when that is done, the best predicted IoU first, and between crops
at the end, those of smaller crops first. Crops are decoded smallest first here, so both can be done at any time: what
stays of a crop that is done stays for good, and what stays of one that is not, would if this were all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from maskgate.domain.generation.candidates import CandidateId, Candidates
from maskgate.domain.generation.suppression import Suppression, suppress

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from maskgate.domain.generation.settings import GenerationSettings


@dataclass(frozen=True, slots=True)
class Selected:
    """What stays of a crop.

    Attributes:
        kept: Best first.
        replaced: For each of the others, which one it gives way to.
    """

    kept: Candidates
    replaced: Mapping[CandidateId, CandidateId]

    def in_place_of(self, dropped: CandidateId) -> CandidateId:
        """Return what stays in the place of a candidate that does not."""
        while dropped in self.replaced:
            dropped = self.replaced[dropped]
        return dropped


@dataclass(frozen=True, slots=True)
class Selection:
    """The candidates so far.

    Attributes:
        settings: The thresholds.
        settled: What stays of the crops that are done.
        current: Of the crop under way, in the order of points and tokens.
    """

    settings: GenerationSettings
    settled: Candidates
    current: Candidates

    @classmethod
    def empty(cls, settings: GenerationSettings) -> Selection:
        """Begin."""
        return cls(settings, Candidates.none(), Candidates.none())

    def with_more(self, found: Candidates) -> Selection:
        """Add what a batch has found."""
        return replace(self, current=self.current + found)

    def settle(self) -> Selection:
        """End a crop."""
        return replace(self, settled=self.settled + self.selected().kept, current=Candidates.none())

    def selected(self) -> Selected:
        """Return what stays of the crop under way."""
        within = suppress(self.current.boxes, self.current.ious, self.settings.box_nms_thresh)
        kept, replaced = self.current[within.kept], _by_id(self.current, within.by)
        if not self.settings.crop_n_layers:
            return Selected(kept, replaced)
        everything = self.settled + kept
        first_wins = -np.arange(len(everything), dtype=np.float64)
        between = suppress(everything.boxes, first_wins, self.settings.crop_nms_thresh)
        stays = between.kept[between.kept >= len(self.settled)]
        return Selected(everything[stays], {**replaced, **_by_id(everything, between.by)})


def without_duplicates(
    boxes: npt.NDArray[np.float32], changed: npt.NDArray[np.bool_], settings: GenerationSettings
) -> Suppression:
    """Suppress masks that became duplicates when small regions were removed; those that did not change stay first.

    `postprocess_small_regions` of the reference. Boxes are as those of Candidates.
    """
    return suppress(boxes, 1.0 - changed, max(settings.box_nms_thresh, settings.crop_nms_thresh))


def _by_id(candidates: Candidates, by: npt.NDArray[np.int64]) -> dict[CandidateId, CandidateId]:
    ids = candidates.ids
    return {ids[index]: ids[by[index]] for index in np.flatnonzero(by >= 0).tolist()}
