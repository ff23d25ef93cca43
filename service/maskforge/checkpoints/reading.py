"""Reads the weights of SAM, whoever wrote them: Meta or Hugging Face, as a pickle, safetensors or shards."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from maskforge.checkpoints.huggingface import NAMESPACE, read_safetensors, shards, under_official_names
from maskforge.checkpoints.official import PICKLE, ZIP, read_saved
from maskforge.checkpoints.vit_shape import infer_vit
from maskforge.errors import InvalidCheckpoint
from maskforge.sam.variants import VARIANTS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from maskforge.sam.image_encoder import VitConfig

_NAMES_IN_FOLDER: Final = ("model.safetensors", "model.safetensors.index.json")
_GIT_LFS: Final = b"version https://git-lfs"
_HEAD: Final = 32  # bytes, enough to tell the formats apart
_LENGTH: Final = 8  # bytes that safetensors begin with, little-endian; a JSON object follows


class Format(StrEnum):
    """Whose names a checkpoint's tensors carry."""

    META = "Meta"
    HUGGING_FACE = "Hugging Face"


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """Weights of SAM as they are stored.

    Attributes:
        files: What they were read from: one file, or several shards.
        format: Whose names the tensors carry there.
        vit: The sizes of the image encoder, inferred from the shapes.
        tensors: The tensors, of any floating type, under Meta's names; they stay on disk until they are used.
    """

    files: tuple[Path, ...]
    format: Format
    vit: VitConfig
    tensors: Mapping[str, Tensor]

    @property
    def parameters(self) -> int:
        """How many numbers the weights are."""
        return sum(tensor.numel() for tensor in self.tensors.values())

    @property
    def variant(self) -> str | None:
        """The published size, `vit_b`, `vit_l` or `vit_h`; None if it is none of them."""
        return next((name for name, vit in VARIANTS.items() if vit == self.vit), None)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; its format is told from its contents, its sizes from its shapes.

    Args:
        path: Meta's `.pth`, safetensors, the index of several, or a folder with one of the latter two.

    Raises:
        InvalidCheckpoint: It is none of these, is damaged, or holds another model.
    """
    files = _files(path)
    stored = {name: tensor for file in files for name, tensor in _read(file).items()}
    if not any(name.startswith(NAMESPACE) for name in stored):
        return Checkpoint(files, Format.META, infer_vit(stored), stored)
    tensors = under_official_names(stored)
    return Checkpoint(files, Format.HUGGING_FACE, infer_vit(tensors), tensors)


def _files(path: Path) -> tuple[Path, ...]:
    if path.is_dir():
        return _files(_in_folder(path))
    head = _head(path)
    return shards(path) if head.startswith(b"{") and not _is_safetensors(head) else (path,)


def _in_folder(folder: Path) -> Path:
    for name in _NAMES_IN_FOLDER:
        if (folder / name).is_file():
            return folder / name
    raise InvalidCheckpoint(f"{folder} holds neither {' nor '.join(_NAMES_IN_FOLDER)}")


def _read(file: Path) -> dict[str, Tensor]:
    head = _head(file)
    if _is_safetensors(head):
        return read_safetensors(file)
    if head.startswith((ZIP, PICKLE)):
        return read_saved(file, mapped=head.startswith(ZIP))
    if head.startswith(_GIT_LFS):
        raise InvalidCheckpoint(f"{file} is a pointer of Git LFS, not the weights: fetch them with `git lfs pull`")
    raise InvalidCheckpoint(f"{file} is neither a checkpoint of PyTorch nor safetensors")


def _head(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(_HEAD)
    except OSError as error:
        raise InvalidCheckpoint(f"{file} cannot be read: {error.strerror}") from error


def _is_safetensors(head: bytes) -> bool:
    """Ask this first: the file begins with the length of its header, whose first byte may look like anything else's."""
    return head[_LENGTH - 2 : _LENGTH + 1] == b"\0\0{"
