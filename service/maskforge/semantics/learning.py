"""Learns the head from features, in seconds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from maskforge.semantics.examples import Example
from maskforge.semantics.head import LabelHead
from maskforge.semantics.vocabulary import Label, index_of, place

STEPS: Final = 400
RATE: Final = 0.01
WEIGHT_DECAY: Final = 0.05
SMOOTHING: Final = 0.1
BALANCE: Final = 0.5
"""A label counts with its masks to the power of 1 - BALANCE: 0 is each mask alike, 1 each label alike."""
HELD_OUT: Final = 5
"""Every so manieth photo decides when an answer is sure enough."""
SURE_ENOUGH: Final = 0.8
"""So many of the named masks are to be named rightly."""


@dataclass(frozen=True, slots=True)
class Labeller:
    """A head that was learnt.

    Attributes:
        head: Features to logits.
        labels: The names, in the order of the logits.
        threshold: An answer of a lower probability is unknown.
    """

    head: LabelHead
    labels: tuple[Label, ...]
    threshold: float

    @torch.inference_mode()
    def probabilities(self, features: Tensor) -> Tensor:
        """Return the probability of each label: float32 [N,L]."""
        return self.head(features).softmax(-1)


def learn(photos: Sequence[Sequence[Example]], labels: tuple[Label, ...]) -> Labeller:
    """Learn from the examples of photos.

    The threshold is found with a head that has not seen every fifth photo; the head that is given has seen all.
    """
    held_out = [example for photo in photos[::HELD_OUT] for example in photo]
    seen = [example for index, photo in enumerate(photos) if index % HELD_OUT for example in photo]
    threshold = _threshold(_fit(seen, labels), held_out, labels)
    return Labeller(_fit([example for photo in photos for example in photo], labels), labels, threshold)


def _fit(examples: Sequence[Example], labels: tuple[Label, ...]) -> LabelHead:
    """Minimise the cross entropy, all at once; from seed 0."""
    features, targets = _table(examples, labels)
    torch.manual_seed(0)
    head = LabelHead((features.shape[1] - 1) // 2, len(labels))
    head.normalise_by(features)
    weights = targets.bincount(minlength=len(labels)).clamp(min=1).float().pow(-BALANCE)
    optimiser = torch.optim.AdamW(head.parameters(), RATE, weight_decay=WEIGHT_DECAY)
    for _ in range(STEPS):
        optimiser.zero_grad()
        loss = functional.cross_entropy(head(features), targets, weights, label_smoothing=SMOOTHING)
        loss.backward()
        optimiser.step()
    return head.eval()


def _threshold(head: LabelHead, examples: Sequence[Example], labels: tuple[Label, ...]) -> float:
    """Return the least probability above which enough of the answers are right; 1 where none is.

    What has no label among those that are learnt is never right.
    """
    places = index_of(labels)
    truths = torch.tensor([NO_LABEL if (at := place(each.annotation, places)) is None else at for each in examples])
    with torch.inference_mode():
        sure, answer = head(torch.stack([each.features for each in examples])).softmax(-1).max(-1)
    order = sure.argsort(descending=True)
    right = (answer == truths)[order].float().cumsum(0) / torch.arange(1, len(examples) + 1)
    enough = (right >= SURE_ENOUGH).nonzero()
    return float(sure[order][enough[-1, 0]]) if len(enough) else 1.0


NO_LABEL: Final = -1


def _table(examples: Sequence[Example], labels: tuple[Label, ...]) -> tuple[Tensor, Tensor]:
    places = index_of(labels)
    named = [(each.features, at) for each in examples if (at := place(each.annotation, places)) is not None]
    features, targets = zip(*named, strict=True)
    return torch.stack(features), torch.tensor(targets)
