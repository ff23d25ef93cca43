"""The part of a frame that is not padding."""

import torch
from torch import Tensor


def valid_area(valid_hw: Tensor, side: int) -> Tensor:
    """Mark the valid pixels with 1 and the padding with 0: float [B,1,side,side].

    The reference pads with zeros after normalising (`Sam.preprocess`).
    """
    line = torch.arange(side, dtype=valid_hw.dtype, device=valid_hw.device)
    rows, columns = (line < valid_hw.unsqueeze(-1)).to(torch.float32).unbind(1)
    return (rows.unsqueeze(-1) * columns.unsqueeze(-2)).unsqueeze(1)
