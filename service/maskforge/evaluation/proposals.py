"""Object proposals: how many of the masks that people drew are among those that are found without a prompt.

The paper's protocol (appendix D.3) with a coarser grid, and average recall as COCO has it: over IoU thresholds from .5
to .95, one proposal for one mask.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from pycocotools import mask as run_lengths

from maskforge.annotations import BoolMask, Photo
from maskforge.evaluation.candidates import Candidates, find_candidates, without_duplicates
from maskforge.evaluation.local import LocalView
from maskforge.evaluation.overlap import Truth
from maskforge.preprocessing import MASK_THRESHOLD

POINTS_PER_SIDE: Final = 16
"""The paper has 64: sixteen times as many prompts, an hour on two cores."""
NMS_THRESHOLD: Final = 0.9
LIMITS: Final = (100, 1000)
THRESHOLDS: Final = np.arange(50, 100, 5) / 100


@dataclass(frozen=True, slots=True)
class Recall:
    """What of one photo's masks was found.

    Attributes:
        source: The photo's source.
        masks: How many there are to find.
        proposals: How many masks were proposed, 1,000 at most.
        found: By limit, how many masks were found at each of the ten thresholds.
    """

    source: str
    masks: int
    proposals: int
    found: dict[int, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class AverageRecall:
    """Over sources: the share of masks found, averaged over thresholds; and the proposals of a photo."""

    recall: dict[int, float]
    by_source: dict[str, dict[int, float]]
    proposals: float


def measure_proposals(photo: Photo, view: LocalView) -> Recall:
    """Propose masks and look which of the photo's are among them."""
    found = without_duplicates(find_candidates(photo, view, POINTS_PER_SIDE), NMS_THRESHOLD)
    ranked = found.only(found.score.argsort(descending=True, stable=True)[: max(LIMITS)])
    overlaps = _overlaps(ranked, [Truth.of(annotation) for annotation in photo.annotations], view)
    counts = {limit: matches(overlaps[:limit]) for limit in LIMITS}
    return Recall(photo.source, len(photo.annotations), len(overlaps), counts)


def matches(overlaps: npt.NDArray[np.float64]) -> tuple[int, ...]:
    """Return how many masks are found at each threshold, by IoU [proposals, masks]; the first one chooses first."""
    return tuple(_matched(overlaps, threshold) for threshold in THRESHOLDS)


def average(recalls: Iterable[Recall]) -> AverageRecall:
    """Average over thresholds, then over the masks of a source, then over the sources."""
    groups: dict[str, list[Recall]] = {}
    for recall in recalls:
        groups.setdefault(recall.source, []).append(recall)
    by_source = {source: {limit: _share(groups[source], limit) for limit in LIMITS} for source in sorted(groups)}
    mean = {limit: float(np.mean([shares[limit] for shares in by_source.values()])) for limit in LIMITS}
    proposals = [recall.proposals for some in groups.values() for recall in some]
    return AverageRecall(mean, by_source, float(np.mean(proposals)))


def _share(recalls: Sequence[Recall], limit: int) -> float:
    found = np.sum([recall.found[limit] for recall in recalls], axis=0)
    return float(np.mean(found) / sum(recall.masks for recall in recalls))


def _matched(overlaps: npt.NDArray[np.float64], threshold: float) -> int:
    """Count as COCO's evaluation does: each proposal takes the mask that it overlaps most of those that are left."""
    left = np.ones(overlaps.shape[1], np.bool_)
    for row in overlaps[(overlaps >= threshold).any(1)]:
        best = int(np.where(left, row, -1).argmax())
        if left[best] and row[best] >= threshold:
            left[best] = False
    return int((~left).sum())


def _overlaps(candidates: Candidates, truths: Sequence[Truth], view: LocalView) -> npt.NDArray[np.float64]:
    """Return the IoU of every proposal with every mask: [N, masks]. Pixels that do not count are nobody's."""
    counted = truths[0].counted
    for truth in truths[1:]:
        counted = counted & truth.counted
    drawn = [_encoded(truth.mask & counted) for truth in truths]
    proposed = [_encoded(mask & counted) for mask in _at_photo(candidates, view)]
    if not proposed:
        return np.zeros((0, len(truths)))
    overlaps: npt.NDArray[np.float64] = np.asarray(run_lengths.iou(proposed, drawn, [0] * len(drawn)))
    return overlaps


def _at_photo(candidates: Candidates, view: LocalView) -> Iterable[BoolMask]:
    for logits in candidates.logits:
        yield (view.at_photo(logits.float()[None, None])[0, 0] > MASK_THRESHOLD).numpy()


def _encoded(mask: BoolMask) -> object:
    return run_lengths.encode(np.asfortranarray(mask.view(np.uint8)))
