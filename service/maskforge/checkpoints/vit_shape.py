"""Which image encoder a checkpoint is of, read off the shapes of its tensors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from maskforge.errors import InvalidCheckpoint, MismatchedCheckpoint
from maskforge.sam.config import SamConfig
from maskforge.sam.image_encoder import VitConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

_NO_VIT: Final = "the file holds no ViT image encoder of SAM"
_POSITIONS: Final = "image_encoder.pos_embed"
_BLOCK: Final = re.compile(r"image_encoder\.blocks\.(\d+)\.")
_USUAL_WINDOW: Final = 14


def infer_vit(tensors: Mapping[str, Tensor]) -> VitConfig:
    """Infer the sizes of the image encoder from tensors under Meta's names.

    A block's relative positions are [2 * side - 1, width / heads], side being that of what the block attends to: it is
    the image's in a global block and the window's in the others (`modeling/image_encoder.py`, Attention).

    Raises:
        MismatchedCheckpoint: A tensor that tells a size is missing, or the image is of another size than SAM's.
        InvalidCheckpoint: The shapes make no sense together.
    """
    _, rows, columns, width = _shape(tensors, _POSITIONS, 4)
    side = _require_image_size(rows, columns)
    depth = 1 + max((int(block[1]) for block in map(_BLOCK.match, tensors) if block), default=0)
    positions = [_shape(tensors, f"image_encoder.blocks.{index}.attn.rel_pos_h", 2) for index in range(depth)]
    sides = [(rows + 1) // 2 for rows, _ in positions]
    hidden, _ = _shape(tensors, "image_encoder.blocks.0.mlp.lin1.weight", 2)
    return VitConfig(
        width=width,
        depth=depth,
        heads=_heads(width, positions[0][1]),
        global_blocks=tuple(index for index, reach in enumerate(sides) if reach == side),
        window=next((reach for reach in sides if reach != side), _USUAL_WINDOW),
        mlp_ratio=hidden // width,
    )


def _shape(tensors: Mapping[str, Tensor], name: str, dimensions: int) -> tuple[int, ...]:
    if name not in tensors:
        raise MismatchedCheckpoint(f"{_NO_VIT}: {name} is missing", missing=(name,))
    shape = tuple(tensors[name].shape)
    if len(shape) != dimensions or 0 in shape:
        raise InvalidCheckpoint(f"{_NO_VIT}: {name} has the shape {shape}")
    return shape


def _require_image_size(rows: int, columns: int) -> int:
    """Return the side of the embedding; positions are learned for one image size, and a fine-tune may have another."""
    sam = SamConfig()
    if (rows, columns) != (sam.embedding_size, sam.embedding_size):
        trained, built = f"{sam.stride * columns} x {sam.stride * rows}", f"{sam.image_size} x {sam.image_size}"
        told = f"the checkpoint was trained on images of {trained} pixels, but SAM is built for {built}"
        raise MismatchedCheckpoint(told, differing=(_POSITIONS,))
    return rows


def _heads(width: int, head_width: int) -> int:
    if width % head_width:
        raise InvalidCheckpoint(f"{_NO_VIT}: {width} channels in heads of {head_width}")
    return width // head_width
