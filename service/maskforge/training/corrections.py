"""What is done about masks that are wrong: a click where they are, and they themselves as the next prompt."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from maskforge.annotations import BoolMask
from maskforge.clicks import next_click, random_click
from maskforge.sam.model import Prompts
from maskforge.training.examples import PITCH
from maskforge.training.recipe import RoundConfig

LOGIT_LIMIT = 32.0
"""Logits that are fed back are clipped to this, so that no sure mask drowns the rest."""


class Attempt(NamedTuple):
    """Masks as they are and as they should be, B of them.

    Attributes:
        logits: float32 [B,M,M].
        wanted: bool [B,M,M].
        counted: bool [B,M,M], the pixels that count.
    """

    logits: Tensor
    wanted: Tensor
    counted: Tensor


class Mask(NamedTuple):
    """One of them: bool [M,M]."""

    predicted: BoolMask
    wanted: BoolMask
    counted: BoolMask


def correct(prompts: Prompts, attempt: Attempt, slot: int, config: RoundConfig, rng: np.random.Generator) -> Prompts:
    """Put a click, or none, into an empty slot of each of B prompts, and feed back most of the logits.

    The prompts are as in `Prompts`, without the axis K.
    """
    coords, labels = prompts.point_coords.clone(), prompts.point_labels.clone()
    for row, masks in enumerate(zip(attempt.logits > 0, attempt.wanted, attempt.counted, strict=True)):
        click = _draw_click(Mask(*(mask.numpy() for mask in masks)), config, rng)
        if click is not None:
            x, y, label = click
            coords[row, slot] = torch.tensor([x, y]) * PITCH + (PITCH - 1) / 2
            labels[row, slot] = label
    given = torch.from_numpy(rng.random(len(labels)) < config.feedback_share).float()
    limited = attempt.logits.clamp(-LOGIT_LIMIT, LOGIT_LIMIT)
    return Prompts(coords, labels, limited * given[:, None, None], given)


def _draw_click(mask: Mask, config: RoundConfig, rng: np.random.Generator) -> tuple[int, int, int] | None:
    """Return (x, y, label) of a click on a wrong pixel; None where none is wrong, and in a round without a click."""
    if rng.random() < config.without_point:
        return None
    if rng.random() < config.centre_share:
        return next_click(*mask)
    errors = (mask.predicted != mask.wanted) & mask.counted
    if not errors.any():
        return None
    x, y = random_click(errors, rng)
    return x, y, int(mask.wanted[y, x])
