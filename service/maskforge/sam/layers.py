"""Layers shared by the encoders and the mask decoder (`modeling/common.py`)."""

from collections.abc import Callable
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

MAP_NORM_EPSILON = 1e-6


class LayerNorm(nn.LayerNorm):
    """Layer norm in the precision of its own weights, whatever its input's is.

    In a graph of low precision the norms stay in fp32: the sum of squares overflows fp16 (mit-han-lab/efficientvit
    issue 142) and loses half of bf16's digits.
    """

    full_precision = True

    def forward(self, x: Tensor) -> Tensor:
        """Normalise float [..., channels] over its last axis; the dtype is kept."""
        return super().forward(x.to(self.weight.dtype)).to(x.dtype)


class LayerNorm2d(LayerNorm):
    """Layer norm over the channels of a channels-first map.

    Written as one transposed `layer_norm`, so that it stays one LayerNormalization node in ONNX.
    """

    def __init__(self, channels: int) -> None:
        """Normalise `channels` channels with the reference's epsilon."""
        super().__init__(channels, eps=MAP_NORM_EPSILON)

    def forward(self, image: Tensor) -> Tensor:
        """Normalise float [N,C,H,W] over C."""
        return super().forward(image.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class TokensFromMap(nn.Conv2d):
    """A 1x1 convolution whose output is tokens.

    Written as a linear map of each cell, so that it is the narrow map that is reordered.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        """Map `inputs` channels to `outputs`."""
        super().__init__(inputs, outputs, kernel_size=1)

    def forward(self, image: Tensor) -> Tensor:
        """Turn float [N,inputs,H,W] into tokens [N,H*W,outputs], row-major."""
        return functional.linear(image.flatten(2).mT, self.weight.flatten(1), self.bias)


class MLP(nn.Module):
    """Linear layers with ReLU between them (`modeling/mask_decoder.py`, MLP)."""

    def __init__(self, inputs: int, hidden: int, outputs: int, depth: int) -> None:
        """Stack `depth` linear layers."""
        super().__init__()
        widths = [inputs, *[hidden] * (depth - 1), outputs]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        """Map float [..., inputs] to [..., outputs]."""
        *hidden, last = self.layers
        for layer in hidden:
            x = functional.relu(layer(x))
        return last(x)


class MLPBlock(nn.Module):
    """The transformer block's MLP (`modeling/common.py`, MLPBlock)."""

    def __init__(self, width: int, hidden: int, activation: Callable[[Tensor], Tensor]) -> None:
        """Widen `width` channels to `hidden` and back."""
        super().__init__()
        self.lin1 = nn.Linear(width, hidden)
        self.lin2 = nn.Linear(hidden, width)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Map float [..., width] to the same shape."""
        return self.lin2(self.activation(self.lin1(x)))
