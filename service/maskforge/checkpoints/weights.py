"""Weights on disk: fp16 safetensors, addressed by their digest."""

import hashlib
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

_BLOCK = 1 << 20  # bytes; ViT-H's checkpoint is 2.5 GB


def save_weights(model: nn.Module, path: Path) -> None:
    """Write the parameters and buffers as fp16, all or nothing."""
    halves = {
        name: tensor.detach().to(torch.float16).contiguous()
        for name, tensor in model.state_dict().items()
        if tensor.is_floating_point()
    }
    beside = path.with_suffix(".partial")
    save_file(halves, beside)
    beside.replace(path)


def load_weights(model: nn.Module, path: Path) -> None:
    """Read parameters and buffers; every name must match, none may be missing.

    Batch norm's step counters are not weights: they are not stored.
    """
    stored = load_file(path)
    counters = {name: tensor for name, tensor in model.state_dict().items() if not tensor.is_floating_point()}
    model.load_state_dict(stored | counters, strict=True)


def weights_digest(*files: Path) -> str:
    """Return `sha256:<64 hex>` of the files' bytes, one after the other; a checkpoint in shards has several."""
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    return f"sha256:{digest.hexdigest()}"
