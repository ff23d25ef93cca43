"""The head: what lies under a mask, what lies around it, and how large it is, to a name."""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

RING: Final = 9
"""Cells of the embedding; the side of the square that a mask is widened by to see what is around it."""
NARROWEST: Final = 1e-3
"""Cells; a mask smaller than that has no features, and an empty one must not divide by zero."""


def pool(embeddings: Tensor, logits: Tensor) -> Tensor:
    """Return the features of masks.

    Args:
        embeddings: float [B,C,E,E].
        logits: float [B,K,M,M], low-resolution logits, M a multiple of E.

    Returns:
        float [B,K,2C+1]: mean of the embedding under the mask, mean around it, and the logarithm of its share of the
        frame.
    """
    side = embeddings.shape[-1]
    inside = functional.avg_pool2d(logits.sigmoid(), logits.shape[-1] // side)
    around = functional.max_pool2d(inside, RING, stride=1, padding=RING // 2) - inside
    means = [_weighted_mean(embeddings, weights) for weights in (inside, around)]
    share = inside.mean((-2, -1)).clamp(min=NARROWEST / side**2).log().unsqueeze(-1)
    return torch.cat([*means, share], dim=-1)


class LabelHead(nn.Module):
    """A linear classifier on normalised features."""

    mean: Tensor
    scale: Tensor

    def __init__(self, width: int, labels: int) -> None:
        """Build a head for embeddings of `width` channels; an output more than there are labels is for none of them."""
        super().__init__()
        features = 2 * width + 1
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        self.classify = nn.Linear(features, labels + 1)

    def normalise_by(self, features: Tensor) -> None:
        """Take mean and spread from the features [N,F] that are learnt from."""
        self.mean.copy_(features.mean(0))
        self.scale.copy_(features.std(0).clamp(min=NARROWEST))

    def forward(self, features: Tensor) -> Tensor:
        """Map features [...,F] to the logits of the labels, and of none of them [...,L+1]."""
        return self.classify((features - self.mean) / self.scale)


def _weighted_mean(embeddings: Tensor, weights: Tensor) -> Tensor:
    """Average embeddings [B,C,E,E] under weights [B,K,E,E]: [B,K,C]."""
    total = weights.sum((-2, -1)).clamp(min=NARROWEST).unsqueeze(-1)
    return weights.flatten(2) @ embeddings.flatten(2).transpose(1, 2) / total
