"""Losses of masks and predicted IoU (SAM paper, appendix A, "Losses")."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class MaskLoss:
    """Focal loss plus Dice loss; SAM weighs them 20 to 1."""

    focal_weight: float = 20.0
    focal_gamma: float = 2.0
    focal_alpha: float = 0.25

    def __call__(self, logits: Tensor, target: Tensor, counted: Tensor) -> Tensor:
        """Return the loss of each mask.

        Args:
            logits: float [..., H, W].
            target: float, broadcastable to it, in [0, 1].
            counted: float, broadcastable to it; 0 leaves a pixel out.

        Returns:
            float [...].
        """
        target, counted = target.expand_as(logits), counted.expand_as(logits)
        return self.focal_weight * self.focal(logits, target, counted) + dice(logits, target, counted)

    def focal(self, logits: Tensor, target: Tensor, counted: Tensor) -> Tensor:
        """Return the focal loss (Lin et al. 2017), the mean over the pixels that count."""
        entropy = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
        probability = logits.sigmoid()
        hit = probability * target + (1 - probability) * (1 - target)
        balance = self.focal_alpha * target + (1 - self.focal_alpha) * (1 - target)
        loss = balance * (1 - hit) ** self.focal_gamma * entropy * counted
        return loss.sum((-2, -1)) / counted.sum((-2, -1)).clamp(min=1)


def dice(logits: Tensor, target: Tensor, counted: Tensor) -> Tensor:
    """Return the Dice loss (Milletari et al. 2016), smoothed by one pixel: float [...]."""
    probability = logits.sigmoid() * counted
    target = target * counted
    overlap = (probability * target).sum((-2, -1))
    total = probability.sum((-2, -1)) + target.sum((-2, -1))
    return 1 - (2 * overlap + 1) / (total + 1)


def mask_iou(predicted: Tensor, target: Tensor, counted: Tensor) -> Tensor:
    """Return the IoU of bool masks [..., H, W] over the pixels that count; 0 if both are empty."""
    overlap = (predicted & target & counted).sum((-2, -1))
    union = ((predicted | target) & counted).sum((-2, -1))
    return overlap / union.clamp(min=1)
