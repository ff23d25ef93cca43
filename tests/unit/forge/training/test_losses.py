import math

import pytest
import torch

from maskforge.training.losses import MaskLoss, dice, mask_iou

ONES = torch.ones(1, 2, 2)
UNDECIDED = torch.zeros(1, 2, 2)


def test_dice_of_an_undecided_mask() -> None:
    """Four pixels of one half against four of one: 1 - (2 * 2 + 1) / (2 + 4 + 1)."""
    assert dice(UNDECIDED, ONES, ONES).item() == pytest.approx(2 / 7)


def test_dice_of_a_sure_and_right_mask_is_zero() -> None:
    """A confident match costs nothing."""
    assert dice(50 * ONES, ONES, ONES).item() == pytest.approx(0)


def test_focal_loss_of_an_undecided_mask() -> None:
    """Foreground at one half: alpha * (1/2)^2 * ln 2."""
    expected = 0.25 * 0.25 * math.log(2)
    assert MaskLoss().focal(UNDECIDED, ONES, ONES).item() == pytest.approx(expected)


def test_focal_counts_twenty_times() -> None:
    """The mask loss is 20 times focal plus Dice."""
    expected = 20 * 0.25 * 0.25 * math.log(2) + 2 / 7
    assert MaskLoss()(UNDECIDED, ONES, ONES).item() == pytest.approx(expected)


def test_pixels_that_do_not_count_cost_nothing() -> None:
    """A wrong pixel that is left out leaves the loss of a perfect mask at zero."""
    logits = torch.tensor([[[50.0, 50.0], [50.0, -50.0]]])
    counted = torch.tensor([[[1.0, 1.0], [1.0, 0.0]]])
    assert MaskLoss()(logits, ONES, counted).item() == pytest.approx(0)


def test_iou_leaves_out_what_does_not_count() -> None:
    """One pixel of two common, once the ignored one is gone."""
    predicted = torch.tensor([[True, True, False, True]])
    target = torch.tensor([[True, False, False, False]])
    counted = torch.tensor([[True, True, True, False]])
    assert mask_iou(predicted[None], target[None], counted[None]).item() == pytest.approx(0.5)
