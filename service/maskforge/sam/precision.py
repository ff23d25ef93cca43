"""Low precision as a property of the model, so that it is a property of every graph made from it.

TensorRT 11 knows no `--fp16`: a graph is computed in the types that it names (strong typing). So parameters are cast
before the export, and modules that need all their digits say so by `full_precision` and cast on their own borders.
"""

from enum import StrEnum

import torch
from torch import Tensor, nn


class Precision(StrEnum):
    """What most of a graph is computed in.

    bf16 has the range of fp32 and is the default; GPUs before Ampere (T4) have none and take fp16.
    """

    BF16 = "bf16"
    FP16 = "fp16"
    FP32 = "fp32"

    @property
    def dtype(self) -> torch.dtype:
        """The torch dtype of that name."""
        return _DTYPES[self]


_DTYPES = {Precision.BF16: torch.bfloat16, Precision.FP16: torch.float16, Precision.FP32: torch.float32}


def lower(model: nn.Module, precision: Precision) -> None:
    """Cast a model in place to `precision`, except for the modules that are marked `full_precision`.

    Weights of layers that are marked `half_weights` become fp16, and such a layer casts them up to its input's type.
    They are read from files in fp16 (`save_weights`), so that this loses nothing, and the graph stores half the bytes.
    fp32 is the model as it is.
    """
    if precision is Precision.FP32:
        return
    _replace_batch_norms(model)
    _cast(model, precision.dtype)
    for layer in model.modules():
        if getattr(layer, "half_weights", False):
            layer.half()


class Affine(nn.Module):
    """What a batch norm of constant statistics does, by half its constants.

    It is not folded into the convolution before it, whose weights fp16 would no longer hold exactly. Engines do that.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        """Do what `norm` does outside training."""
        super().__init__()
        variance, mean = norm.get_buffer("running_var"), norm.get_buffer("running_mean")
        scale = norm.weight.detach() / torch.sqrt(variance + norm.eps)
        self.register_buffer("scale", scale[:, None, None])
        self.register_buffer("shift", (norm.bias.detach() - mean * scale)[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        """Map float [B,C,H,W] to the same shape."""
        return x * self.scale + self.shift


def _replace_batch_norms(model: nn.Module) -> None:
    for parent in list(model.modules()):
        for name, norm in parent.named_children():
            if isinstance(norm, nn.BatchNorm2d):
                setattr(parent, name, Affine(norm))


def cast_for(layer: nn.Conv2d, tensor: Tensor) -> Tensor:
    """Cast a tensor to the precision that a layer computes in."""
    return tensor.to(layer.weight.dtype)


def _cast(module: nn.Module, dtype: torch.dtype) -> None:
    if getattr(module, "full_precision", False):
        return
    for child in module.children():
        _cast(child, dtype)
    for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
        if tensor.is_floating_point():
            tensor.data = tensor.data.to(dtype)
