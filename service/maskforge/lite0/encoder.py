"""lite0's image encoder: EfficientNet-Lite0 and a neck down to SAM's embedding at stride 8."""

from torch import Tensor, nn
from torch.nn import functional

from maskforge.lite0.trunk import OUTPUT_CHANNELS, EfficientNetLite0
from maskforge.sam.layers import LayerNorm2d
from maskforge.sam.pixels import PixelNormalisation
from maskforge.sam.precision import cast_for

PIXEL_MEAN = (127.0,) * 3
PIXEL_SCALE = (128.0,) * 3
MIX_KERNEL = 7


class Lite0ImageEncoder(nn.Module):
    """Normalises, zeroes the padding, runs trunk and neck."""

    def __init__(self, width: int) -> None:
        """Build an encoder to `width` channels."""
        super().__init__()
        self.normalise = PixelNormalisation(PIXEL_MEAN, PIXEL_SCALE)
        self.trunk = EfficientNetLite0()
        self.neck = Neck(width)

    def forward(self, image: Tensor, valid_hw: Tensor) -> Tensor:
        """Encode RGB images.

        Args:
            image: uint8 [B,3,S,S], RGB, S divisible by 32, padded right and bottom with anything.
            valid_hw: int32 [B,2], height and width of the part that is not padding.

        Returns:
            float [B,C,S/8,S/8].
        """
        return self.neck(self.trunk(self.normalise(image, valid_hw)))


class Mix(nn.Module):
    """A residual block that mixes space depthwise and channels pointwise (as in ConvNeXt)."""

    def __init__(self, width: int) -> None:
        """Build the block at `width` channels."""
        super().__init__()
        self.spatial = nn.Conv2d(width, width, MIX_KERNEL, padding=MIX_KERNEL // 2, groups=width, bias=False)
        self.norm = LayerNorm2d(width)
        self.widen = nn.Conv2d(width, 2 * width, 1)
        self.narrow = nn.Conv2d(2 * width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map float [B,C,H,W] to the same shape."""
        hidden = functional.gelu(self.widen(self.norm(self.spatial(x))))
        return x + self.narrow(hidden)


class Lateral(nn.Module):
    """Projects one of the trunk's outputs to the embedding's width."""

    def __init__(self, inputs: int, width: int) -> None:
        """Project `inputs` channels to `width`."""
        super().__init__()
        self.project = nn.Conv2d(inputs, width, 1, bias=False)
        self.norm = LayerNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        """Map float [B,inputs,H,W] to [B,width,H,W]."""
        return self.norm(self.project(cast_for(self.project, x)))


class Neck(nn.Module):
    """Merges strides 8, 16 and 32 top-down into one map at stride 8 (a small FPN)."""

    def __init__(self, width: int) -> None:
        """Build laterals and mixing blocks."""
        super().__init__()
        self.lateral8, self.lateral16, self.lateral32 = (Lateral(inputs, width) for inputs in OUTPUT_CHANNELS)
        self.mix16 = Mix(width)
        self.mix8 = Mix(width)
        self.norm = LayerNorm2d(width)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Map features at strides 8, 16, 32 to float [B,C,S/8,S/8], layer-normalised."""
        stride8, stride16, stride32 = features
        merged = self.mix16(self.lateral16(stride16) + _double(self.lateral32(stride32)))
        return self.norm(self.mix8(self.lateral8(stride8) + _double(merged)))


def _double(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
