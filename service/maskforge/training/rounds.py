"""One step's gradient: a first prompt for every mask, then corrections of one mask an image (SAM paper, appendix A).

Where a prompt is ambiguous only the best of the multimask outputs is taught. A correction adds a click where the last
mask was wrong, or nothing, gives its logits as mask input, and teaches the single-mask token.

The images are encoded once. Each decode of B prompts, one of each image, is differentiated as soon as it is done, its
gradient gathered at the embeddings; the encoder's own gradient comes last. So one decode at a time is held in memory.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from maskforge.sam.model import Prompts
from maskforge.sam.prompt_encoder import BOX_TOP_LEFT, EMPTY_SLOT
from maskforge.training.corrections import Attempt, correct
from maskforge.training.examples import Batch
from maskforge.training.losses import MaskLoss, mask_iou
from maskforge.training.prompts import FIRST_SLOTS
from maskforge.training.recipe import RoundConfig
from maskforge.training.student import Student


class Answer(NamedTuple):
    """A decode of one prompt of each image.

    Attributes:
        logits: float32 [B,T,M,M].
        predicted: float32 [B,T], predicted IoU.
        actual: float32 [B,T], measured IoU.
        losses: float32 [B,T].
    """

    logits: Tensor
    predicted: Tensor
    actual: Tensor
    losses: Tensor

    def multimask_loss(self, config: RoundConfig) -> Tensor:
        """Return what the first round is to minimise: the best multimask output counts, the single mask a little."""
        best = self.losses[:, 1:].amin(-1).mean()
        single = self.losses[:, 0].mean()
        return best + config.single_weight * single + functional.mse_loss(self.predicted, self.actual)

    def single_loss(self) -> Tensor:
        """Return what a correction is to minimise."""
        return self.losses[:, 0].mean() + functional.mse_loss(self.predicted[:, 0], self.actual[:, 0])

    def chosen(self) -> Tensor:
        """Return the multimask output of the best predicted IoU: int64 [B,1]."""
        return self.predicted[:, 1:].argmax(-1, keepdim=True) + 1

    def mask(self, token: Tensor) -> Tensor:
        """Return the logits float32 [B,M,M] of an output int64 [B,1] for each image."""
        return self.logits[torch.arange(len(token)), token[:, 0]]

    def detached(self) -> "Answer":
        """Return it without what is needed for the gradient."""
        return Answer(*(tensor.detach() for tensor in self))


class Figures(NamedTuple):
    """What a step says of the model, means over its masks; NaN where there was none.

    Attributes:
        loss: What was minimised in the first round.
        box: IoU of boxes, the multimask output of the best predicted IoU.
        click: IoU of clicks, likewise.
        oracle: IoU of clicks, the best multimask output.
        corrected: IoU of the single mask after the last correction.
        overrated: Predicted IoU less the measured one, of the chosen output.
    """

    loss: float
    box: float
    click: float
    oracle: float
    corrected: float
    overrated: float


def teach(student: Student, batch: Batch, config: RoundConfig, rng: np.random.Generator) -> Figures:
    """Add the gradient of a batch's loss to the student's parameters."""
    embeddings = student.encode(batch.images, batch.valid_hw)
    lesson = Lesson(student, embeddings.detach().requires_grad_(), batch, config)
    first = lesson.first_round()
    corrected = lesson.corrections(first[0], rng)
    if embeddings.requires_grad:
        embeddings.backward(lesson.embeddings.grad)
    return _figures(batch, first, corrected, config)


class Lesson:
    """The rounds of one batch; their gradients end at `embeddings`."""

    def __init__(self, student: Student, embeddings: Tensor, batch: Batch, config: RoundConfig) -> None:
        """Teach `batch`, whose images have been encoded."""
        self.embeddings = embeddings
        self._student = student
        self._batch = batch
        self._config = config

    def first_round(self) -> list[Answer]:
        """Prompt for every mask: K answers for B images."""
        masks = self._batch.labels.shape[1]
        answers = []
        for index in range(masks):
            answer = self._answer(first_prompts(self._batch, index, self._config.corrections), index)
            (answer.multimask_loss(self._config) / masks).backward()
            answers.append(answer.detached())
        return answers

    def corrections(self, first: Answer, rng: np.random.Generator) -> Answer:
        """Correct the first mask of each image again and again: the last answer."""
        config, wanted, counted = self._config, self._batch.masks[:, 0] > 0.5, self._batch.counted[:, 0]
        prompts = first_prompts(self._batch, 0, config.corrections)
        answer, mask = first, first.mask(first.chosen())
        for slot in range(FIRST_SLOTS, FIRST_SLOTS + config.corrections):
            prompts = correct(prompts, Attempt(mask, wanted, counted), slot, config, rng)
            answer = self._answer(prompts, 0)
            (config.correction_weight / config.corrections * answer.single_loss()).backward()
            answer = answer.detached()
            mask = answer.logits[:, 0]
        return answer

    def _answer(self, prompts: Prompts, index: int) -> Answer:
        logits, predicted = self._student.decode(self.embeddings, prompts)
        soft, counted = self._batch.masks[:, index, None], self._batch.counted[:, index, None]
        actual = mask_iou(logits.detach() > 0, soft > 0.5, counted)
        return Answer(logits, predicted, actual, MaskLoss()(logits, soft, counted.float()))


def first_prompts(batch: Batch, index: int, empty_slots: int) -> Prompts:
    """Return the prompts for the `index`-th mask of each image, with slots kept for corrections and no mask input."""
    mask = batch.masks[:, index]
    return Prompts(
        functional.pad(batch.coords[:, index], (0, 0, 0, empty_slots)),
        functional.pad(batch.labels[:, index], (0, empty_slots), value=EMPTY_SLOT),
        torch.zeros_like(mask),
        torch.zeros(len(mask)),
    )


def _figures(batch: Batch, first: list[Answer], corrected: Answer, config: RoundConfig) -> Figures:
    is_box = (batch.labels == BOX_TOP_LEFT).any(-1).T.reshape(-1)
    chosen = torch.cat([answer.actual.gather(-1, answer.chosen()) for answer in first])[:, 0]
    claimed = torch.cat([answer.predicted.gather(-1, answer.chosen()) for answer in first])[:, 0]
    oracle = torch.cat([answer.actual[:, 1:].amax(-1) for answer in first])
    loss = torch.stack([answer.multimask_loss(config) for answer in first])
    means = (loss, chosen[is_box], chosen[~is_box], oracle[~is_box], corrected.actual[:, 0], claimed - chosen)
    return Figures(*(values.mean().item() for values in means))
