"""The calls of a model's Triton models, by the model contract (model_repository/README.md)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from maskgate.adapters.triton.wire import RequestTemplate, Tensor
from maskgate.domain.prompt import MaskSelection

if TYPE_CHECKING:
    from maskgate.domain.model import ModelSpec


def encoder_of(model: str) -> str:
    """Name the Triton model that encodes."""
    return f"{model}_encoder"


def decoder_of(model: str) -> str:
    """Name the Triton model that decodes."""
    return f"{model}_decoder"


@lru_cache(maxsize=32)
def encode_call(spec: ModelSpec) -> RequestTemplate:
    """Prepare an encode: the tensors in the order in which they are listed here."""
    side = spec.input_size
    return RequestTemplate.create(
        encoder_of(spec.name),
        inputs=(Tensor("image", "UINT8", (1, 3, side, side)), Tensor("valid_hw", "INT32", (1, 2))),
        outputs=("image_embeddings",),
    )


@lru_cache(maxsize=96)
def decode_call(spec: ModelSpec, selection: MaskSelection) -> RequestTemplate:
    """Prepare a decode of one prompt on one image: the tensors in the order in which they are listed here."""
    every = selection is MaskSelection.ALL
    return RequestTemplate.create(
        decoder_of(spec.name),
        inputs=(
            Tensor("image_embeddings", "FP16", (1, *spec.embedding_shape)),
            Tensor("point_coords", "FP32", (1, 1, spec.prompt_slots, 2)),
            Tensor("point_labels", "FP32", (1, 1, spec.prompt_slots)),
            Tensor("mask_input", "FP16", (1, 1, spec.mask_size, spec.mask_size)),
            Tensor("has_mask_input", "FP32", (1, 1)),
            Tensor("select", "FP32", (1, 1)),
        ),
        outputs=("low_res_masks", "iou_predictions") if every else ("best_mask", "best_iou"),
    )


@lru_cache(maxsize=32)
def no_mask_input(spec: ModelSpec) -> tuple[bytes, bytes]:
    """`mask_input` and `has_mask_input` of a prompt without a mask: every input is always present."""
    return bytes(2 * spec.mask_size**2), np.float32(0).tobytes()
