"""How often names are right."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch

from maskforge.semantics.examples import Example, by_source
from maskforge.semantics.learning import Labeller, targets_of

BEST: Final = 5


@dataclass(frozen=True, slots=True)
class Accuracy:
    """What was said of masks.

    Attributes:
        known: Masks whose label is among those that were learnt.
        top1: Share of these whose best answer is right, however sure.
        top5: Share of these with the right one among the five best.
        named: Share of these that get a name.
        right: Share of the names given, to any mask, that are right.
        strangers: Masks whose label was not learnt.
        unknown: Share of these that are called unknown, as they should be.
    """

    known: int
    top1: float
    top5: float
    named: float
    right: float
    strangers: int
    unknown: float


def measure_by_source(examples: Sequence[Example], labeller: Labeller) -> dict[str, Accuracy]:
    """Measure each source, and under `all` all masks."""
    groups = by_source(examples)
    return {
        **{source: measure(groups[source], labeller) for source in sorted(groups)},
        "all": measure(examples, labeller),
    }


def measure(examples: Sequence[Example], labeller: Labeller) -> Accuracy:
    """Compare answers with what people said."""
    truths = targets_of(examples, labeller.labels)
    sure, answers = labeller.probabilities(torch.stack([each.features for each in examples])).topk(
        min(BEST, len(labeller.labels))
    )
    known, given = truths < len(labeller.labels), sure[:, 0] >= labeller.threshold
    hits = answers == truths[:, None]
    return Accuracy(
        int(known.sum()),
        _share(hits[:, 0], known),
        _share(hits.any(1), known),
        _share(given, known),
        _share(hits[:, 0], given),
        int((~known).sum()),
        _share(~given, ~known),
    )


def _share(of: torch.Tensor, among: torch.Tensor) -> float:
    """Return the share; of nothing, NaN."""
    return float(of[among].float().mean())
