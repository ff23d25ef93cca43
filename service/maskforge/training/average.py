"""The moving average of the weights, which is what a run is for."""

import copy

import torch

from maskforge.sam.model import Sam


class Average:
    """A copy of a model that follows it; faster at first, as the first weights are random."""

    def __init__(self, model: Sam, decay: float) -> None:
        """Start with the model's weights."""
        self.model = copy.deepcopy(model).eval().requires_grad_(requires_grad=False)
        self._decay = decay

    @torch.no_grad()
    def follow(self, model: Sam, step: int) -> None:
        """Move towards the weights that `model` has after `step` steps."""
        decay = min(self._decay, (1 + step) / (10 + step))
        for own, other in zip(self.model.parameters(), model.parameters(), strict=True):
            own.lerp_(other, 1 - decay)
