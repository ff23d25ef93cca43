"""A model's spec, read from the Triton models that serve it, so that the gateway needs no files of theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskgate.domain.errors import InferenceFailed
from maskgate.domain.model import ModelSpec

if TYPE_CHECKING:
    from tritonclient.grpc.model_config_pb2 import ModelConfig


def create_spec(model: str, *, encoder: ModelConfig, decoder: ModelConfig) -> ModelSpec:
    """Combine the configurations of `<model>_encoder` and `<model>_decoder`.

    Shapes come from the tensors (model_repository/README.md), identity from the encoder's parameters.

    Raises:
        InferenceFailed: A tensor or parameter of the contract is missing.
    """
    try:
        tokens, mask_size = _dims(decoder.output, "low_res_masks")[1:3]
        channels, height, width = _dims(encoder.output, "image_embeddings")
        return ModelSpec(
            name=model,
            input_size=_dims(encoder.input, "image")[-1],
            embedding_shape=(channels, height, width),
            mask_size=mask_size,
            mask_tokens=tokens,
            prompt_slots=_dims(decoder.input, "point_labels")[-1],
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


def _parameter(config: ModelConfig, name: str) -> str:
    if name not in config.parameters:
        raise KeyError(f"no parameter {name}")
    value: str = config.parameters[name].string_value
    return value
