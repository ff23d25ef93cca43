"""The calls of a model's Triton models, by the model contract (model_repository/README.md)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from maskgate.adapters.triton.wire import RequestTemplate, Tensor
from maskgate.domain.mask import DecodedMasks
from maskgate.domain.prompt import MaskSelection

if TYPE_CHECKING:
    from maskgate.adapters.triton.wire import Reply
    from maskgate.domain.model import ModelSpec

_OUTPUTS = {
    MaskSelection.SINGLE: ("best_mask", "best_iou"),
    MaskSelection.BEST: ("best_mask", "best_iou", "iou_predictions"),
    MaskSelection.ALL: ("low_res_masks", "iou_predictions"),
    MaskSelection.EVERY: ("low_res_masks", "iou_predictions"),
}
"""Masks, their predicted IoUs, and what else is asked for."""


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
        outputs=_OUTPUTS[selection],
    )


def decoded(reply: Reply, selection: MaskSelection) -> DecodedMasks:
    """Read the answer to `decode_call`.

    Which token the best mask is, the graph does not say, but its predictions do: the first of the highest.
    """
    logits, ious = (reply.array(name)[0] for name in _OUTPUTS[selection][:2])
    match selection:
        case MaskSelection.SINGLE:
            tokens = [0]
        case MaskSelection.BEST:
            tokens = [1 + int(reply.array("iou_predictions")[0, 0, 1:].argmax())]
        case MaskSelection.ALL:  # the first token is the single mask's
            logits, ious = logits[0, 1:], ious[0, 1:]
            tokens = [*range(1, 1 + len(ious))]
        case MaskSelection.EVERY:
            logits, ious = logits[0], ious[0]
            tokens = [*range(len(ious))]
    return DecodedMasks(logits.astype(np.float16, copy=False), ious.astype(np.float32, copy=False), tuple(tokens))


@lru_cache(maxsize=32)
def no_mask_input(spec: ModelSpec) -> bytes:
    """`mask_input` of a prompt without a mask: every input is always present."""
    return bytes(2 * spec.mask_size**2)
