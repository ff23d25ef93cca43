"""A model's spec, read from the Triton models that serve it, so that the gateway needs no files of theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskgate.domain.errors import InferenceFailed
from maskgate.domain.model import ModelSpec

if TYPE_CHECKING:
    from tritonclient.grpc.model_config_pb2 import ModelConfig


_PLANS_PROMPTS = 64
"""What plans were built for before `decoder_multi` said so itself."""


def create_spec(model: str, *, encoder: ModelConfig, decoder: ModelConfig, many: ModelConfig | None) -> ModelSpec:
    """Combine the configurations of `<model>_encoder`, `<model>_decoder` and `<model>_decoder_multi`.

    Shapes come from the tensors (model_repository/README.md), identity from the encoder's parameters, and from those of
    `decoder_multi` how many prompts go together and how long they may be: without it one by one, and short.

    Raises:
        InferenceFailed: A tensor or parameter of the contract is missing, or makes no sense.
    """
    try:
        tokens, mask_size = _dims(decoder.output, "low_res_masks")[1:3]
        channels, height, width = _dims(encoder.output, "image_embeddings")
        slots = _dims(decoder.input, "point_labels")[-1]
        return ModelSpec(
            name=model,
            input_size=_dims(encoder.input, "image")[-1],
            embedding_shape=(channels, height, width),
            mask_size=mask_size,
            mask_tokens=tokens,
            prompt_slots=slots,
            slot_buckets=_slot_buckets(many, slots),
            max_prompts=1 if many is None else int(_optional(many, "max_prompts", _PLANS_PROMPTS)),
            weights_digest=_parameter(encoder, "weights_digest"),
            precision=_parameter(encoder, "precision"),
            preprocessing=_parameter(encoder, "preprocessing"),
        )
    except (KeyError, ValueError) as error:
        raise InferenceFailed(f"The model {model!r} breaks the model contract: {error}.", model=model) from error


def _dims(tensors: object, name: str) -> list[int]:
    for tensor in tensors:  # type: ignore[attr-defined] # repeated ModelInput or ModelOutput, without stubs
        if tensor.name == name:
            return list(tensor.dims)
    raise KeyError(f"no tensor {name}")


def _slot_buckets(many: ModelConfig | None, shortest: int) -> tuple[int, ...]:
    """Read "8,16,32,64", which begins with what the decoder of one prompt takes."""
    named = str(shortest) if many is None else _optional(many, "slot_buckets", shortest)
    buckets = tuple(map(int, named.split(",")))
    if buckets[0] != shortest or list(buckets) != sorted(set(buckets)):
        raise ValueError(f"slot_buckets {named} do not ascend from {shortest}")
    return buckets


def _optional(config: ModelConfig, name: str, default: int) -> str:
    return _parameter(config, name) if name in config.parameters else str(default)


def _parameter(config: ModelConfig, name: str) -> str:
    if name not in config.parameters:
        raise KeyError(f"no parameter {name}")
    value: str = config.parameters[name].string_value
    return value
