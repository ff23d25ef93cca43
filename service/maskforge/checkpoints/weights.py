"""Weights on disk: fp16 safetensors, addressed by their digest."""

import hashlib
from pathlib import Path
from textwrap import shorten
from typing import Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from maskforge.errors import InvalidCheckpoint

_BLOCK = 1 << 20  # bytes; ViT-H's checkpoint is 2.5 GB
_LONGEST: Final = 300  # characters of torch's complaint, which names every weight


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

    Raises:
        InvalidCheckpoint: The file cannot be read, or holds the weights of another model.
    """
    stored = _read(path)
    counters = {name: tensor for name, tensor in model.state_dict().items() if not tensor.is_floating_point()}
    try:
        model.load_state_dict(stored | counters, strict=True)
    except RuntimeError as error:
        _, _, complaint = str(error).partition(":")
        told = shorten(complaint, _LONGEST, placeholder=" …")
        raise InvalidCheckpoint(f"{path} holds the weights of another model: {told}") from error


def _read(path: Path) -> dict[str, Tensor]:
    if path.is_dir():
        raise InvalidCheckpoint(f"{path} is a folder, not a file of safetensors")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise InvalidCheckpoint(f"{path} is no file of safetensors, or is damaged: {error}") from error
    except OSError as error:
        raise InvalidCheckpoint(f"{path} cannot be read: {error.strerror or error}") from error


def weights_digest(*files: Path) -> str:
    """Return `sha256:<64 hex>` of the files' bytes, one after the other; a checkpoint in shards has several."""
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    return f"sha256:{digest.hexdigest()}"
