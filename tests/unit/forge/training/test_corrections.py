import numpy as np
import torch
from torch import Tensor

from maskforge.sam.model import Prompts
from maskforge.training.corrections import Attempt, correct
from maskforge.training.recipe import RoundConfig

SURE = RoundConfig(without_point=0, feedback_share=1)


def prompts(count: int = 1) -> Prompts:
    labels = torch.tensor([1.0, -1, -2]).repeat(count, 1)
    return Prompts(torch.zeros(count, 3, 2), labels, torch.zeros(count, 4, 4), torch.zeros(count))


def pixel(row: int, column: int) -> Tensor:
    mask = torch.zeros(1, 4, 4, dtype=torch.bool)
    mask[0, row, column] = True
    return mask


ALL = torch.ones(1, 4, 4, dtype=torch.bool)


def test_what_is_missing_is_clicked_as_foreground() -> None:
    """At its centre in the frame, in the slot that was kept; the logits go back, clipped."""
    attempt = Attempt(torch.full((1, 4, 4), -99.0), pixel(2, 1), ALL)
    for share in (0.0, 1.0):
        config = RoundConfig(without_point=0, feedback_share=1, centre_share=share)
        corrected = correct(prompts(), attempt, 2, config, np.random.default_rng(0))
        torch.testing.assert_close(torch.tensor([[1.0, -1.0, 1.0]]), corrected.point_labels)
        torch.testing.assert_close(torch.tensor([2.5, 4.5]), corrected.point_coords[0, 2])
        torch.testing.assert_close(torch.full((1, 4, 4), -32.0), corrected.mask_input)
        assert 1 == corrected.has_mask_input


def test_what_is_too_much_is_clicked_as_background() -> None:
    """The label says what the pixel should be."""
    attempt = Attempt(torch.where(pixel(0, 3), 5.0, -5.0), torch.zeros_like(ALL), ALL)
    corrected = correct(prompts(), attempt, 2, SURE, np.random.default_rng(0))
    assert ([0.0], [6.5, 0.5]) == (corrected.point_labels[:, 2].tolist(), corrected.point_coords[0, 2].tolist())


def test_nothing_is_clicked_where_nothing_wrong_counts() -> None:
    """A right mask, or one that is wrong only where it is to be ignored, leaves the slot empty."""
    for wanted, counted in ((torch.zeros_like(ALL), ALL), (pixel(1, 1), ~pixel(1, 1))):
        for share in (0.0, 1.0):
            config = RoundConfig(without_point=0, centre_share=share)
            attempt = Attempt(torch.full((1, 4, 4), -9.0), wanted, counted)
            assert -2 == correct(prompts(), attempt, 2, config, np.random.default_rng(0)).point_labels[0, 2]


def test_some_rounds_have_no_click_and_some_no_mask() -> None:
    """By the shares of the recipe; a mask that is not given is zero."""
    count = 600
    attempt = Attempt(torch.full((count, 4, 4), -9.0), *(mask.repeat(count, 1, 1) for mask in (pixel(1, 2), ALL)))
    corrected = correct(prompts(count), attempt, 2, RoundConfig(), np.random.default_rng(0))
    assert 0.14 < (corrected.point_labels[:, 2] == -2).float().mean() < 0.26
    assert 0.79 < corrected.has_mask_input.mean() < 0.91
    assert not corrected.mask_input[corrected.has_mask_input == 0].any()
    assert (corrected.mask_input[corrected.has_mask_input == 1] == -9).all()
