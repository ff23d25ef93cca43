"""The benchmark of BSDS500 (Arbeláez, Maire, Fowlkes and Malik 2011): edge maps against those of several people.

An edge map is cut at many thresholds, each result thinned and matched with each person's boundaries. A pixel is right
if anybody drew it, and each person's pixels are to be found.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from maskforge.annotations import BoolMask
from maskforge.evaluation.edges.matching import match
from maskforge.evaluation.edges.thinning import thin_lines

THRESHOLDS: Final = np.arange(1, 34) / 34
"""The benchmark's own are 99: three times as many."""
TOLERANCE: Final = 0.0075
"""Of the image's diagonal."""

Floats = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int64]
"""[thresholds, 4]: edge pixels that are right, edge pixels; people's pixels that were found, people's pixels."""


@dataclass(frozen=True, slots=True)
class EdgeScores:
    """How good edge maps are.

    Attributes:
        ods: F-measure at the threshold that is best for all photos together.
        ois: F-measure with the best threshold for each photo.
        ap: Area under the curve of precision over recall.
        r50: Recall where half of what is found is right.
    """

    ods: float
    ois: float
    ap: float
    r50: float


def count_matches(edges: Floats, truths: npt.NDArray[np.bool_]) -> Counts:
    """Compare an edge map float32 [h,w] with each person's boundaries bool [people,h,w]."""
    tolerance = TOLERANCE * float(np.hypot(*edges.shape))
    return np.array([_count(thin_lines(edges >= threshold), truths, tolerance) for threshold in THRESHOLDS])


def score(counts: Sequence[Counts]) -> EdgeScores:
    """Return the scores of all photos' counts."""
    precision, recall = _precision_recall(np.sum(counts, axis=0))
    best = [one[_f_measure(*_precision_recall(one)).argmax()] for one in counts]
    ois = _f_measure(*_precision_recall(np.sum(best, axis=0)[None]))
    return EdgeScores(float(_f_measure(precision, recall).max()), float(ois[0]), *_curve(precision, recall))


def _count(edges: BoolMask, truths: npt.NDArray[np.bool_], tolerance: float) -> tuple[int, int, int, int]:
    right = np.zeros_like(edges)
    found = 0
    for truth in truths:
        matching = match(edges, truth, tolerance)
        right |= matching.left
        found += int(matching.right.sum())
    return int(right.sum()), int(edges.sum()), found, int(truths.sum())


def _precision_recall(counts: Counts) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    right, edges, found, drawn = counts.T
    return right / np.maximum(edges, 1), found / np.maximum(drawn, 1)


def _f_measure(precision: npt.NDArray[np.float64], recall: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    measure: npt.NDArray[np.float64] = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return measure


def _curve(precision: npt.NDArray[np.float64], recall: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return the area under the curve, at a hundred recalls as in the benchmark, and recall at precision .5."""
    recalls, first = np.unique(recall, return_index=True)
    at_each = np.interp(np.arange(101) / 100, recalls, precision[first], left=0, right=0)
    half = recall[precision >= 0.5]
    return float(at_each.sum() / 100), float(half.max(initial=0.0))
