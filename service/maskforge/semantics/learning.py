"""Learns the head from features, in seconds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from maskforge.semantics.examples import Example, by_source
from maskforge.semantics.head import LabelHead
from maskforge.semantics.vocabulary import Label, index_of, place

STEPS: Final = 200
RATE: Final = 0.02
WEIGHT_DECAY: Final = 0.05
SMOOTHING: Final = 0.1
BALANCE: Final = 0.5
"""A label counts with its masks to the power of 1 - BALANCE: 0 is each mask alike, 1 each label alike."""
HELD_OUT: Final = 5
"""Every so manieth photo decides when an answer is sure enough."""
SURE_ENOUGH: Final = 0.8
"""So many of the names that are given are to be right."""


@dataclass(frozen=True, slots=True)
class Labeller:
    """A head that was learnt.

    Attributes:
        head: Features to logits, of each label and of being none of them.
        labels: The names, in the order of the logits.
        threshold: An answer of a lower probability is unknown.
    """

    head: LabelHead
    labels: tuple[Label, ...]
    threshold: float

    @torch.inference_mode()
    def probabilities(self, features: Tensor) -> Tensor:
        """Return the probability of each label: float32 [N,L]. What is missing to 1 is that it is none of them."""
        return self.head(features).softmax(-1)[:, :-1]


def learn(photos: Sequence[Sequence[Example]], labels: tuple[Label, ...]) -> Labeller:
    """Learn from the examples of photos.

    The threshold is found with a head that has not seen every fifth photo; the head that is given has seen all.
    """
    held_out = [example for photo in photos[::HELD_OUT] for example in photo]
    seen = [example for index, photo in enumerate(photos) if index % HELD_OUT for example in photo]
    threshold = _threshold(Labeller(_fit(seen, labels), labels, 0.0), held_out)
    return Labeller(_fit([example for photo in photos for example in photo], labels), labels, threshold)


def targets_of(examples: Sequence[Example], labels: tuple[Label, ...]) -> Tensor:
    """Return the place of each example's label, int64 [N]; one that has none is a stranger, in the last place."""
    places = index_of(labels)
    return torch.tensor([_or_last(place(each.annotation, places), len(labels)) for each in examples])


def _or_last(at: int | None, last: int) -> int:
    return last if at is None else at


def _fit(examples: Sequence[Example], labels: tuple[Label, ...]) -> LabelHead:
    """Minimise the cross entropy, all at once; from seed 0.

    Strangers are learnt, too: what many rare things have in common is the only hint of what was never seen.
    """
    features, targets = torch.stack([each.features for each in examples]), targets_of(examples, labels)
    torch.manual_seed(0)
    head = LabelHead((features.shape[1] - 1) // 2, len(labels))
    head.normalise_by(features)
    weights = targets.bincount(minlength=len(labels) + 1).clamp(min=1).float().pow(-BALANCE)
    optimiser = torch.optim.AdamW(head.parameters(), RATE, weight_decay=WEIGHT_DECAY)
    for _ in range(STEPS):
        optimiser.zero_grad()
        loss = functional.cross_entropy(head(features), targets, weights, label_smoothing=SMOOTHING)
        loss.backward()
        optimiser.step()
    return head.eval()


def _threshold(labeller: Labeller, examples: Sequence[Example]) -> float:
    """Return the least probability above which enough of the answers are right in every source.

    In every one, as most of them are easy: whoever is in a fashion photo is a person.
    """
    return max(_threshold_in(labeller, some) for some in by_source(examples).values())


def _threshold_in(labeller: Labeller, examples: Sequence[Example]) -> float:
    """Do the same for one source; 1 where no answer is sure enough."""
    targets = targets_of(examples, labeller.labels)
    sure, answers = labeller.probabilities(torch.stack([each.features for each in examples])).max(-1)
    order = sure.argsort(descending=True)
    right = (answers == targets)[order].float().cumsum(0) / torch.arange(1, len(examples) + 1)
    enough = (right >= SURE_ENOUGH).nonzero()
    return float(sure[order][enough[-1, 0]]) if len(enough) else 1.0
