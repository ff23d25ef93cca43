"""Low precision as a property of the model, so that it is a property of every graph made from it.

TensorRT 11 knows no `--fp16`: a graph is computed in the types that it names (strong typing). So parameters are cast
before the export, and modules that need all their digits say so by `full_precision` and cast on their own borders.
"""

from enum import StrEnum
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


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

    Batch norms are folded into the convolutions before them: their statistics do not bear rounding.
    """
    fold_batch_norms(model)
    _cast(model, precision.dtype)


def fold_batch_norms(model: nn.Module) -> None:
    """Replace each convolution that a batch norm follows (in order of definition) by one that does both, in place."""
    for parent in list(model.modules()):
        for (name, layer), (norm_name, norm) in pairwise(list(parent.named_children())):
            if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(parent, name, fuse_conv_bn_eval(layer.eval(), norm.eval()))
                setattr(parent, norm_name, nn.Identity())


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
