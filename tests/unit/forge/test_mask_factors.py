import torch

from maskforge.sam.mask_decoder import MaskFactors
from maskforge.sam.model import choose_token

IOU = torch.tensor([[0.9, 0.1, 0.3, 0.2], [0.1, 0.5, 0.2, 0.4]])


def test_zero_chooses_the_single_mask_token() -> None:
    """Token 0 is taken however badly it predicts itself."""
    assert [0, 0] == choose_token(IOU, torch.zeros(2)).argmax(-1).tolist()


def test_one_chooses_the_best_multimask_token() -> None:
    """Token 0 takes no part, even where it predicts itself best."""
    assert [2, 1] == choose_token(IOU, torch.ones(2)).argmax(-1).tolist()


def test_each_prompt_chooses_for_itself() -> None:
    """The choice may differ within a batch."""
    assert [2, 0] == choose_token(IOU, torch.tensor([1.0, 0.0])).argmax(-1).tolist()


def test_the_chosen_mask_is_one_of_all() -> None:
    """Drawn alone, the chosen mask and its predicted IoU are what they are among the others."""
    factors = MaskFactors(torch.randn(2, 4, 8), torch.randn(2, 16 * 9, 8), IOU)

    chosen = factors.only(choose_token(IOU, torch.tensor([1.0, 0.0])))

    all_masks = factors.draw()
    torch.testing.assert_close(torch.stack([all_masks[0, 2], all_masks[1, 0]])[:, None], chosen.draw())
    torch.testing.assert_close(torch.tensor([[0.3], [0.1]]), chosen.iou)
