"""Who learns how fast: the trunk is frozen at first, then learns slowly, its last blocks faster than its first."""

import re
from typing import Any, Final

import torch
from torch import nn

from maskforge.lite0.trunk import STAGES
from maskforge.sam.model import Sam
from maskforge.training.recipe import Recipe

TRUNK: Final = "image_encoder.trunk."
BLOCKS: Final = sum(stage.blocks for stage in STAGES)


def trunk_block(name: str) -> int | None:
    """Return the block of the trunk that a parameter lies in, -1 for the stem, None if it is not the trunk's."""
    if not name.startswith(TRUNK):
        return None
    found = re.match(r"_blocks\.(\d+)\.", name.removeprefix(TRUNK))
    return int(found[1]) if found else -1


def thaw(model: Sam, recipe: Recipe, step: int) -> bool:
    """Let those parts of the trunk learn that do so at `step`; tell whether any does."""
    thawed = step >= recipe.frozen_steps
    for name, parameter in model.named_parameters():
        block = trunk_block(name)
        if block is not None:
            parameter.requires_grad_(thawed and block >= recipe.frozen_blocks)
    return thawed


def build_optimiser(model: Sam, recipe: Recipe) -> torch.optim.AdamW:
    """Build AdamW with groups of one block or of the rest, those with and without decay apart.

    A group's `peak` is its rate before `set_rates` applies the schedule.
    """
    groups: dict[tuple[int | None, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        groups.setdefault((trunk_block(name), _decays(model, name, parameter)), []).append(parameter)
    described = [_group(block, recipe, parameters, decays=decays) for (block, decays), parameters in groups.items()]
    return torch.optim.AdamW(described, lr=recipe.learning_rate, fused=True)


def set_rates(optimiser: torch.optim.Optimizer, recipe: Recipe, step: int) -> None:
    """Set every group's rate for a step."""
    for group in optimiser.param_groups:
        since = recipe.frozen_steps if group["in_trunk"] else 0
        group["lr"] = group["peak"] * max(0.0, recipe.rate_at(step, since))


def _group(block: int | None, recipe: Recipe, parameters: list[nn.Parameter], *, decays: bool) -> dict[str, Any]:
    peak = recipe.learning_rate
    if block is not None:
        peak *= recipe.trunk_rate * recipe.layer_decay ** (BLOCKS - 1 - block)
    decay = recipe.weight_decay if decays else 0.0
    return {"params": parameters, "peak": peak, "weight_decay": decay, "in_trunk": block is not None}


def _decays(model: Sam, name: str, parameter: nn.Parameter) -> bool:
    """Tell weights from biases, norms and embeddings."""
    owner = model.get_submodule(name.rpartition(".")[0])
    return parameter.ndim > 1 and not isinstance(owner, nn.Embedding)
