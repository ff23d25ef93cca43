"""Hugging Face's checkpoints: safetensors of `transformers.SamModel`, in one file or in shards."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import torch
from safetensors import SafetensorError, safe_open

from maskforge.errors import InvalidCheckpoint

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

NAMESPACE: Final = "vision_encoder."
"""The image encoder's name in `transformers`; Meta's is `image_encoder.`."""

_RENAMINGS: Final = tuple(
    (re.compile(pattern), official)
    for pattern, official in (
        (r"^vision_encoder\.", "image_encoder."),
        (r"^image_encoder\.layers\.", "image_encoder.blocks."),
        (r"\.patch_embed\.projection\.", ".patch_embed.proj."),
        (r"\.neck\.conv1\.", ".neck.0."),
        (r"\.neck\.layer_norm1\.", ".neck.1."),
        (r"\.neck\.conv2\.", ".neck.2."),
        (r"\.neck\.layer_norm2\.", ".neck.3."),
        # One tensor: it places the prompt's points and the cells of the image. Some files hold it under both names.
        (
            r"^(shared_image_embedding|prompt_encoder\.shared_embedding)\.positional_embedding$",
            "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
        ),
        (r"\.point_embed\.", ".point_embeddings."),
        (r"\.mask_embed\.conv1\.", ".mask_downscaling.0."),
        (r"\.mask_embed\.layer_norm1\.", ".mask_downscaling.1."),
        (r"\.mask_embed\.conv2\.", ".mask_downscaling.3."),
        (r"\.mask_embed\.layer_norm2\.", ".mask_downscaling.4."),
        (r"\.mask_embed\.conv3\.", ".mask_downscaling.6."),
        (r"\.upscale_conv1\.", ".output_upscaling.0."),
        (r"\.upscale_layer_norm\.", ".output_upscaling.1."),
        (r"\.upscale_conv2\.", ".output_upscaling.3."),
        # The decoder's heads, of three layers each; the middle one is renamed before the first takes its name.
        (r"(_mlps\.\d+|_head)\.layers\.0\.", r"\1.layers.1."),
        (r"(_mlps\.\d+|_head)\.proj_in\.", r"\1.layers.0."),
        (r"(_mlps\.\d+|_head)\.proj_out\.", r"\1.layers.2."),
        # Every norm that is left: of the encoder's blocks and of the decoder's transformer.
        (r"\.layer_norm(\d|_final_attn)\.", r".norm\1."),
    )
)
"""`modeling_sam.py` against `modeling/*.py`; each applies to what the ones above have made of a name."""


def official_name(name: str) -> str:
    """Turn a parameter's name in `transformers` into Meta's; a name that is neither's stays as it is."""
    for pattern, official in _RENAMINGS:
        name = pattern.sub(official, name)
    return name


def under_official_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of a `SamModel`, and merge those that are one.

    Raises:
        InvalidCheckpoint: Two tensors that are one in Meta's model differ.
    """
    renamed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        official = official_name(name)
        if official in renamed and not _same(renamed[official], tensor):
            raise InvalidCheckpoint(f"two tensors that SAM shares differ: both are {official}, one of them is {name}")
        renamed[official] = tensor
    return renamed


def _same(one: Tensor, other: Tensor) -> bool:
    return one.dtype == other.dtype and torch.equal(one, other)


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file; its tensors stay on disk until they are used.

    Raises:
        InvalidCheckpoint: It is damaged or cut short.
    """
    try:
        with safe_open(path, framework="pt") as stored:
            return {name: stored.get_tensor(name) for name in stored.offset_keys()}
    except SafetensorError as error:
        raise InvalidCheckpoint(f"{path} is damaged or cut short: {error}") from error


def shards(index: Path) -> tuple[Path, ...]:
    """Return the files that an index (`model.safetensors.index.json`) names, in order.

    Raises:
        InvalidCheckpoint: It is no index, or a file is missing.
    """
    files = tuple(index.parent / name for name in sorted(_shard_names(index)))
    for file in files:
        if not file.is_file():
            raise InvalidCheckpoint(f"{index} names {file.name}, which is not beside it")
    return files


def _shard_names(index: Path) -> set[str]:
    """Read the names; a path that leads out of the folder is none."""
    try:
        document: Any = json.loads(index.read_text(encoding="utf-8"))
        names = set(document["weight_map"].values())
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InvalidCheckpoint(f"{index} is no index of safetensors files") from error
    if not names or not all(isinstance(name, str) and name == name.rpartition("/")[-1] for name in names):
        raise InvalidCheckpoint(f"{index} is no index of safetensors files in its own folder")
    return names
