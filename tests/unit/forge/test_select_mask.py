import torch

from maskforge.sam.model import select_mask

MASKS = torch.arange(4.0).reshape(1, 1, 4, 1, 1).expand(1, 2, 4, 3, 3)
IOU = torch.tensor([[[0.9, 0.1, 0.3, 0.2], [0.1, 0.5, 0.2, 0.4]]])


def test_zero_selects_the_single_mask_token() -> None:
    """Token 0 is taken however badly it predicts itself."""
    mask, iou = select_mask(MASKS, IOU, torch.zeros(1, 2))
    torch.testing.assert_close(torch.zeros(1, 2, 3, 3), mask)
    torch.testing.assert_close(torch.tensor([[0.9, 0.1]]), iou)


def test_one_selects_the_best_multimask_token() -> None:
    """Token 0 takes no part, even where it predicts itself best."""
    mask, iou = select_mask(MASKS, IOU, torch.ones(1, 2))
    torch.testing.assert_close(torch.tensor([[2.0, 1.0]]), mask[..., 0, 0])
    torch.testing.assert_close(torch.tensor([[0.3, 0.5]]), iou)


def test_each_prompt_selects_for_itself() -> None:
    """The choice may differ within a batch."""
    mask, _ = select_mask(MASKS, IOU, torch.tensor([[1.0, 0.0]]))
    torch.testing.assert_close(torch.tensor([[2.0, 0.0]]), mask[..., 0, 0])
