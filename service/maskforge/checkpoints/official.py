"""Meta's checkpoints: a state dict written by `torch.save`."""

from __future__ import annotations

import pickle
import warnings
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

from maskforge.errors import InvalidCheckpoint

if TYPE_CHECKING:
    from pathlib import Path

ZIP: Final = b"PK\x03\x04"
PICKLE: Final = b"\x80"
"""How the files of `torch.save` begin: a zip archive, before torch 1.6 a bare pickle."""

_DAMAGE: Final = (
    RuntimeError,
    OSError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    OverflowError,
)
"""What `torch.load` raises on damaged files; found by flipping bytes."""


def read_saved(path: Path, *, mapped: bool) -> dict[str, Tensor]:
    """Read a state dict; nothing but tensors is unpickled, for a pickle can run code.

    Args:
        path: A file that `torch.save` wrote.
        mapped: Whether the tensors may stay on disk until they are used; only zip archives can.

    Raises:
        InvalidCheckpoint: It is damaged, or holds anything but tensors by their names.
    """
    stored = _load(path, mapped=mapped)
    if not isinstance(stored, dict) or not all(map(_is_named_tensor, stored.items())):
        raise InvalidCheckpoint(f"{path} is no state dict, which holds tensors by their names, but {_contents(stored)}")
    return stored


def _load(path: Path, *, mapped: bool) -> object:
    mapped = mapped and path.suffix != ".safetensors"  # by this name, torch takes any file for that format
    try:
        with path.open("rb") as opened, warnings.catch_warnings():
            # About archives of TorchScript and unusual pickles; what follows tells whether they can be read.
            warnings.simplefilter("ignore", UserWarning)
            return torch.load(path if mapped else opened, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        told = f"{path} is damaged or holds Python objects beside tensors; those are not loaded, as they can run code"
        raise InvalidCheckpoint(told) from error
    except _DAMAGE as error:
        raise InvalidCheckpoint(f"{path} is damaged or cut short") from error


def _is_named_tensor(item: tuple[object, object]) -> bool:
    name, value = item
    return isinstance(name, str) and isinstance(value, Tensor)


def _contents(stored: object) -> str:
    """Tell what a file holds: for a training checkpoint, the keys show where its state dict is."""
    if isinstance(stored, dict):
        return f"a dict of {', '.join(map(repr, list(stored)[:5]))}"
    return f"a {type(stored).__name__}"
