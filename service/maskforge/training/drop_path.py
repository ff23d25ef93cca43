"""Stochastic depth (Huang et al. 2016): in training, residuals of the encoder are dropped image by image."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from maskforge.lite0.encoder import Lite0ImageEncoder, Mix
from maskforge.lite0.trunk import Block


def add_drop_path(encoder: Lite0ImageEncoder, chance: float, first_block: int) -> list[RemovableHandle]:
    """Hook it to every block with a residual from `first_block` on: the chance rises linearly to `chance` at the last.

    Hooks, because a model that is served has no such thing.
    """
    fixed = [encoder.trunk.get_submodule(f"_blocks.{index}") for index in range(first_block)]
    residuals = [module for module in encoder.modules() if _has_residual(module) and module not in fixed]
    chances = (chance * (index + 1) / len(residuals) for index in range(len(residuals)))
    return [module.register_forward_hook(DropPath(each)) for module, each in zip(residuals, chances, strict=True)]


def _has_residual(module: nn.Module) -> bool:
    return isinstance(module, Mix) or (isinstance(module, Block) and module.residual)


class DropPath:
    """A forward hook that leaves only the shortcut of some images; the residuals of the others are enlarged for it."""

    def __init__(self, chance: float) -> None:
        """Drop with `chance`, drawn from torch's generator."""
        self._keep = 1 - chance

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        """Return the shortcut, for most images with the residual."""
        if not module.training:
            return output
        shortcut: Tensor = inputs[0]
        shape = (len(output), *[1] * (output.ndim - 1))
        kept = (torch.rand(shape) < self._keep).to(output.dtype) / self._keep
        return shortcut + kept * (output - shortcut)
