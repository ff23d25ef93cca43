"""One training step's loss: a first prompt, then a correcting click (SAM paper, appendix A).

Where a prompt is ambiguous only the best of the multimask outputs is taught. The second round
clicks where the chosen mask was wrong, gives its logits as mask input, and teaches the
single-mask token.
"""

from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.nn import functional

from maskforge.sam.model import Prompts, Sam
from maskforge.sam.prompt_encoder import BOX_TOP_LEFT, EMPTY_SLOT
from maskforge.training.examples import Example
from maskforge.training.losses import MaskLoss, mask_iou

MASK_CELLS = 4
"""Logits to a cell of the embedding, along a side."""

LOGIT_LIMIT = 32.0
"""SAM clips the logits that it feeds back (paper, appendix A)."""


@dataclass(frozen=True, slots=True)
class RoundConfig:
    """How the parts of a step's loss are weighed.

    Attributes:
        single_weight: Weight of the single-mask token in the first round.
        corrected_masks: How many of an image's K prompts get a second round.
        feedback_share: Share of second rounds that are given the first's mask.
    """

    single_weight: float = 0.3
    corrected_masks: int = 2
    feedback_share: float = 0.8


class Target(NamedTuple):
    """What the logits should be, at the masks' resolution.

    Attributes:
        soft: float [B,K,1,M,M], the share of the mask in each pixel.
        hard: bool [B,K,1,M,M].
        counted: bool [B,K,1,M,M].
    """

    soft: Tensor
    hard: Tensor
    counted: Tensor


Rows = TypeVar("Rows", Prompts, Target)


class StepResult(NamedTuple):
    """A step's loss and what it says of the model; each figure is a mean over the batch."""

    loss: Tensor
    box: float
    click: float
    click_oracle: float
    corrected: float


class Answer(NamedTuple):
    """One decode.

    Attributes:
        logits: float32 [B,K,T,M,M].
        predicted: float32 [B,K,T], predicted IoU.
        actual: float32 [B,K,T], measured IoU.
        losses: float32 [B,K,T].
    """

    logits: Tensor
    predicted: Tensor
    actual: Tensor
    losses: Tensor

    def iou_loss(self) -> Tensor:
        """Return the error of the predicted IoU."""
        return functional.mse_loss(self.predicted, self.actual)


def train_rounds(model: Sam, example: Example, config: RoundConfig, loss: MaskLoss) -> StepResult:
    """Run both rounds on a collated batch."""
    embeddings = model.encode(example.image, example.valid_hw)
    target = shrink_target(example, MASK_CELLS * embeddings.shape[-1])
    prompts = first_round(example, target)
    first = _answer(*model.decode(embeddings, prompts), target, loss)
    best = first.predicted[..., 1:].argmax(-1, keepdim=True) + 1

    few = _first_masks(target, config.corrected_masks)
    correction = second_round(
        _first_masks(prompts, config.corrected_masks),
        _pick(first.logits, best)[:, : config.corrected_masks],
        few,
        pitch=example.image.shape[-1] / target.hard.shape[-1],
        feedback_share=config.feedback_share,
    )
    logits, predicted = model.decode(embeddings, correction)
    second = _answer(logits[:, :, :1], predicted[..., :1], few, loss)
    total = _total_loss(first, second, config.single_weight)
    return StepResult(total, *_figures(example, first, best), second.actual.mean().item())


def _total_loss(first: Answer, second: Answer, single_weight: float) -> Tensor:
    best_multimask = first.losses[..., 1:].amin(-1).mean()
    single = first.losses[..., 0].mean()
    iou = first.iou_loss() + second.iou_loss()
    return best_multimask + single_weight * single + second.losses.mean() + iou


def _figures(example: Example, first: Answer, best: Tensor) -> tuple[float, float, float]:
    """Return the mean IoU of boxes, of clicks, and of clicks had the best mask been chosen."""
    is_box = (example.point_labels == BOX_TOP_LEFT).any(-1)
    chosen = first.actual.gather(-1, best).squeeze(-1)
    oracle = first.actual[..., 1:].amax(-1)
    figures = (chosen[is_box], chosen[~is_box], oracle[~is_box])
    box, click, click_oracle = (figure.mean().item() for figure in figures)
    return box, click, click_oracle


def shrink_target(example: Example, side: int) -> Target:
    """Average the masks uint8 [B,K,S,S] down to [..., side, side]."""
    soft = functional.adaptive_avg_pool2d(example.masks.float(), side).unsqueeze(2)
    counted = functional.adaptive_avg_pool2d(example.counted.float(), side).unsqueeze(2)
    return Target(soft, soft > 0.5, counted > 0.5)


def first_round(example: Example, target: Target) -> Prompts:
    """Make the first prompts: one empty slot kept for the correction, no mask input."""
    labels = example.point_labels
    return Prompts(
        functional.pad(example.point_coords, (0, 0, 0, 1)),
        functional.pad(labels, (0, 1), value=EMPTY_SLOT),
        torch.zeros_like(target.soft.squeeze(2)),
        torch.zeros_like(labels[..., 0]),
    )


def second_round(prompts: Prompts, logits: Tensor, target: Target, *, pitch: float, feedback_share: float) -> Prompts:
    """Add a click on a random wrong pixel and, for most, the logits as mask input.

    Args:
        prompts: The first round's, with an empty last slot.
        logits: float [B,K,M,M], the masks chosen from the first round.
        target: What they should be.
        pitch: Pixels of the S frame to one of the logits.
        feedback_share: Share of prompts that are given the logits.
    """
    logits, mask = logits.detach(), target.hard.squeeze(2)
    click = draw_pixel(((logits > 0) != mask) & target.counted.squeeze(2))
    label = mask.flatten(2).gather(2, click).float()
    cell = torch.stack([click % mask.shape[-1], click // mask.shape[-1]], dim=-1)
    fed_back = (torch.rand(logits.shape[:2]) < feedback_share).float()
    return Prompts(
        torch.cat([prompts.point_coords[..., :-1, :], cell * pitch + (pitch - 1) / 2], dim=2),
        torch.cat([prompts.point_labels[..., :-1], label], dim=2),
        logits.clamp(-LOGIT_LIMIT, LOGIT_LIMIT) * fed_back[..., None, None],
        fed_back,
    )


def draw_pixel(mask: Tensor) -> Tensor:
    """Draw a set pixel of each bool mask [B,K,H,W], any pixel if none is set: int64 [B,K,1]."""
    chances = mask.flatten(2).float() + 1e-6
    return (torch.rand_like(chances) * chances).argmax(-1, keepdim=True)


def _first_masks(rows: Rows, count: int) -> Rows:
    """Keep the first prompts of each image."""
    return type(rows)(*(tensor[:, :count] for tensor in rows))


def _answer(logits: Tensor, predicted: Tensor, target: Target, loss: MaskLoss) -> Answer:
    logits, predicted = logits.float(), predicted.float()
    actual = mask_iou(logits.detach() > 0, target.hard, target.counted)
    losses = loss(logits, target.soft, target.counted.float())
    return Answer(logits, predicted, actual, losses)


def _pick(logits: Tensor, index: Tensor) -> Tensor:
    """Pick masks float [B,K,M,M] of [B,K,T,M,M] by int64 [B,K,1]."""
    spread = index[..., None, None].expand(-1, -1, -1, *logits.shape[-2:])
    return logits.gather(2, spread).squeeze(2)
