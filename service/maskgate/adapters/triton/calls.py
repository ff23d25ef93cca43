"""The calls of a model's Triton models, by the model contract (model_repository/README.md)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from maskgate.adapters.triton.wire import RequestTemplate, Tensor
from maskgate.domain.mask import DecodedRows
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


def decoder_multi_of(model: str) -> str:
    """Name the Triton model that decodes many prompts."""
    return f"{model}_decoder_multi"


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
    return _decode_call(decoder_of(spec.name), spec, selection, (1, spec.prompt_slots))


@lru_cache(maxsize=256)
def decode_many_call(spec: ModelSpec, selection: MaskSelection, prompts: tuple[int, int]) -> RequestTemplate:
    """Prepare a decode of (K prompts of P slots) on one image: the tensors in the same order."""
    return _decode_call(decoder_multi_of(spec.name), spec, selection, prompts)


def _decode_call(model: str, spec: ModelSpec, selection: MaskSelection, prompts: tuple[int, int]) -> RequestTemplate:
    count, _ = prompts
    return RequestTemplate.create(
        model,
        inputs=(
            Tensor("image_embeddings", "FP16", (1, *spec.embedding_shape)),
            Tensor("point_coords", "FP32", (1, *prompts, 2)),
            Tensor("point_labels", "FP32", (1, *prompts)),
            Tensor("mask_input", "FP16", (1, count, spec.mask_size, spec.mask_size)),
            Tensor("has_mask_input", "FP32", (1, count)),
            Tensor("select", "FP32", (1, count)),
        ),
        outputs=_OUTPUTS[selection],
    )


def decoded(reply: Reply, selection: MaskSelection) -> DecodedRows:
    """Read the answer to one of these decodes.

    Which token the best mask is, the graph does not say, but its predictions do: the first of the highest.
    """
    logits, ious = (reply.array(name)[0] for name in _OUTPUTS[selection][:2])
    match selection:
        case MaskSelection.SINGLE:
            logits, ious = logits[:, None], ious[:, None]
            tokens = np.zeros(ious.shape, np.int64)
        case MaskSelection.BEST:
            logits, ious = logits[:, None], ious[:, None]
            tokens = 1 + reply.array("iou_predictions")[0, :, 1:].argmax(axis=1, keepdims=True)
        case MaskSelection.ALL:  # the first token is the single mask's
            logits, ious = logits[:, 1:], ious[:, 1:]
            tokens = np.broadcast_to(np.arange(1, 1 + ious.shape[1]), ious.shape)
        case MaskSelection.EVERY:
            tokens = np.broadcast_to(np.arange(ious.shape[1]), ious.shape)
    return DecodedRows(logits.astype(np.float16, copy=False), ious.astype(np.float32, copy=False), tokens)
