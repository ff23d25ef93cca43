"""What the models of one Triton are, read from the models themselves, so that the gateway needs no files of theirs."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from maskgate.adapters.triton.calls import decoder_multi_of, decoder_of, encoder_of
from maskgate.adapters.triton.failures import described
from maskgate.domain.errors import BackendUnavailable, InferenceFailed, ModelNotFound
from maskgate.domain.model import ModelSpec

if TYPE_CHECKING:
    from tritonclient.grpc.aio import InferenceServerClient
    from tritonclient.grpc.model_config_pb2 import ModelConfig

    from maskgate.adapters.triton.bounds import TritonBounds


_PLANS_PROMPTS = 64
"""What plans were built for before `decoder_multi` said so itself."""


@dataclass(frozen=True, slots=True)
class _KnownSpec:
    spec: ModelSpec
    expires: float


class ModelSpecs:
    """The specs of one Triton's models, asked for when first needed and believed for a while."""

    def __init__(self, client: InferenceServerClient, bounds: TritonBounds) -> None:
        self._client = client
        self._bounds = bounds
        self._known: dict[str, _KnownSpec] = {}

    def known(self, model: str) -> ModelSpec | None:
        """Return what was last heard, however long ago."""
        known = self._known.get(model)
        return None if known is None else known.spec

    def fresh(self, model: str) -> ModelSpec | None:
        """Return what was heard lately."""
        known = self._known.get(model)
        return None if known is None or known.expires < monotonic() else known.spec

    def forget(self, model: str) -> None:
        """Ask again next time: what comes back after a failure may be another engine."""
        self._known.pop(model, None)

    async def get(self, model: str) -> ModelSpec:
        """Describe a model. Raises BackendUnavailable, ModelNotFound, InferenceFailed."""
        spec = self.fresh(model)
        if spec is None:
            spec = await self._describe(model)
            self._known[model] = _KnownSpec(spec, monotonic() + self._bounds.spec_ttl)
        return spec

    async def check_ready(self, model: str) -> None:
        """Make sure that a model can be described and is ready. Raises MaskgateError."""
        await self.get(model)
        for name in (encoder_of(model), decoder_of(model)):
            with described(model):
                ready = await self._client.is_model_ready(name, client_timeout=self._bounds.describe)
            if not ready:
                raise BackendUnavailable(f"The model {name!r} is not ready.", model=model)

    async def _describe(self, model: str) -> ModelSpec:
        encoder, decoder = [await self._config(model, name) for name in (encoder_of(model), decoder_of(model))]
        try:
            many = await self._config(model, decoder_multi_of(model))
        except (ModelNotFound, BackendUnavailable):  # nothing that clicks need
            many = None
        return create_spec(model, encoder=encoder, decoder=decoder, many=many)

    async def _config(self, model: str, name: str) -> ModelConfig:
        with described(model):
            answer = await self._client.get_model_config(name, client_timeout=self._bounds.describe)
        return answer.config


def is_same_engine(one: ModelSpec, other: ModelSpec) -> bool:
    """Say whether the embeddings of one may be decoded by the other."""
    return _identity(one) == _identity(other)


def _identity(spec: ModelSpec) -> tuple[str, ...]:
    return spec.name, spec.weights_digest, spec.precision, spec.preprocessing


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
