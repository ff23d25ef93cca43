"""From the bytes of a frame to what an image encoder computes with."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class PixelNormalisation(nn.Module):
    """Shifts and scales the pixels, then zeroes the padding.

    In this order, as the reference does (`Sam.preprocess`): padding with zeros first would give it a colour.
    """

    full_precision = True
    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Sequence[float], scale: Sequence[float]) -> None:
        """Normalise to (pixel - mean) / scale; one number a channel, RGB, in units of 0 to 255."""
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(scale).view(-1, 1, 1), persistent=False)

    def forward(self, image: Tensor, valid_hw: Tensor) -> Tensor:
        """Map uint8 RGB [B,3,S,S], valid to int [B,2] (h,w), to float32 [B,3,S,S]."""
        normalised = (image.to(torch.float32) - self.mean) / self.scale
        return normalised * valid_area(valid_hw, image.shape[-1])


def valid_area(valid_hw: Tensor, side: int) -> Tensor:
    """Mark the valid pixels with 1 and the padding with 0: float32 [B,1,side,side]."""
    line = torch.arange(side, dtype=valid_hw.dtype, device=valid_hw.device)
    rows, columns = (line < valid_hw.unsqueeze(-1)).to(torch.float32).unbind(1)
    return (rows.unsqueeze(-1) * columns.unsqueeze(-2)).unsqueeze(1)
