from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from maskforge.sam.model import Prompts
from maskforge.training.examples import Batch
from maskforge.training.losses import MaskLoss
from maskforge.training.recipe import RoundConfig
from maskforge.training.rounds import teach

SIDE = 4
FIRST_ROUND_ONLY = RoundConfig(corrections=0, single_weight=0)


@dataclass
class FakeStudent:
    """Its masks are the image times a factor a token; the predicted IoU is a constant a token."""

    factors: list[float]
    claims: list[float]
    asked: list[Prompts] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gain = nn.Parameter(torch.tensor(1.0))
        self.tokens = nn.Parameter(torch.tensor(self.factors))
        self.predicted = nn.Parameter(torch.tensor(self.claims))

    def encode(self, images: Tensor, valid_hw: Tensor) -> Tensor:
        assert len(images) == len(valid_hw)
        return self.gain * nn.functional.avg_pool2d(images.float(), 2)[:, :1]

    def decode(self, embeddings: Tensor, prompts: Prompts) -> tuple[Tensor, Tensor]:
        self.asked.append(prompts)
        return self.tokens[:, None, None] * embeddings, self.predicted.expand(len(embeddings), -1)


def batch(masks: int = 1) -> Batch:
    """Two images, left half 1 and right half -1 once encoded; the left half is wanted."""
    line = torch.tensor([1, 1, -1, -1], dtype=torch.int8)
    images = line.repeat_interleave(2).expand(2, 3, 2 * SIDE, 2 * SIDE)
    wanted = (line > 0).float().expand(2, masks, SIDE, SIDE)
    coords = torch.tensor([[2.0, 3.0], [0, 0]]).expand(2, masks, 2, 2)
    labels = torch.tensor([1.0, -1]).expand(2, masks, 2)
    return Batch(images, torch.full((2, 2), 8), wanted, torch.ones_like(wanted, dtype=torch.bool), coords, labels)


def learn(student: FakeStudent, config: RoundConfig, masks: int = 1) -> Any:  # noqa: ANN401
    return teach(student, batch(masks), config, np.random.default_rng(0))  # type: ignore[arg-type]


def test_only_the_best_multimask_output_is_taught() -> None:
    """The single mask is better still, but it is no multimask output."""
    student = FakeStudent([9.0, -2.0, 2.0, -1.0], [0.5] * 4)
    learn(student, FIRST_ROUND_ONLY)
    assert student.tokens.grad is not None
    assert [False, False, True, False] == (student.tokens.grad != 0).tolist()


def test_the_gradient_reaches_the_encoder_undivided() -> None:
    """Cut at the embeddings, it is what a gradient through everything at once gives, for all masks' mean."""
    student = FakeStudent([1.0, 0.5, -1.0, -2.0], [0.5] * 4)
    learn(student, FIRST_ROUND_ONLY, masks=3)
    one = batch()
    embeddings = student.encode(one.images, one.valid_hw)
    loss = MaskLoss()(0.5 * embeddings, one.masks, one.counted.float()).mean()
    assert pytest.approx(torch.autograd.grad(loss, student.gain)[0].item()) == student.gain.grad.item()


def test_the_predicted_iou_of_every_output_is_taught() -> None:
    """Right masks have an IoU of 1, inverted ones of 0: the mean of (claim - IoU)^2 over four."""
    student = FakeStudent([1.0, 1.0, -1.0, -1.0], [0.5, 1.0, 0.5, 0.0])
    learn(student, FIRST_ROUND_ONLY)
    assert pytest.approx([-0.25, 0, 0.25, 0]) == student.predicted.grad.tolist()


def test_corrections_teach_the_single_mask_alone() -> None:
    """Each is asked with one more click and the last mask; only token 0 learns from them."""
    student = FakeStudent([-1.0, -3.0, -1.0, -1.0], [0.5, 0.9, 0.5, 0.5])
    learn(student, RoundConfig(corrections=2, without_point=0, feedback_share=1, single_weight=0), masks=3)
    first, second = student.asked[3:]
    assert 5 == len(student.asked)
    assert (first.point_labels[:, 2] >= 0).all()
    assert (second.point_labels[:, 3] >= 0).all()
    assert (first.point_labels[:, 3] == -2).all()
    torch.testing.assert_close(first.mask_input, -3 * torch.sign(batch().masks[:, 0] - 0.5))
    torch.testing.assert_close(second.mask_input, -1 * torch.sign(batch().masks[:, 0] - 0.5))


def test_a_correction_weighs_as_the_recipe_says() -> None:
    """The single mask's gradient is that of its own loss, times the weight of the corrections."""
    student = FakeStudent([0.5, 1.0, -1.0, -1.0], [1.0] * 4)
    learn(student, RoundConfig(corrections=2, correction_weight=0.7, single_weight=0))
    one, factor = batch(), torch.tensor(0.5, requires_grad=True)
    loss = MaskLoss()(factor * student.encode(one.images, one.valid_hw).detach(), one.masks, one.counted.float()).mean()
    assert pytest.approx(0.7 * torch.autograd.grad(loss, factor)[0].item()) == student.tokens.grad[0].item()


def test_figures_tell_clicks_from_boxes() -> None:
    """The chosen output is the one that claims most, the oracle's the best; there was no box."""
    figures = learn(FakeStudent([1.0, -1.0, 1.0, -1.0], [0.0, 0.8, 0.3, 0.3]), FIRST_ROUND_ONLY)
    assert (0.0, 1.0, True) == (figures.click, figures.oracle, np.isnan(figures.box))
    assert pytest.approx(0.8) == figures.overrated
