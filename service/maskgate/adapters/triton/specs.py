"""What the models of one Triton are, read from the models themselves, so that the gateway needs no files of theirs."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from maskgate.adapters.triton.calls import decoder_multi_of, decoder_of, encoder_of
from maskgate.adapters.triton.failures import described
from maskgate.domain.errors import BackendUnavailable, InferenceFailed, ModelNotFound
from maskgate.domain.model import Engine, ModelSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tritonclient.grpc.aio import InferenceServerClient
    from tritonclient.grpc.model_config_pb2 import ModelConfig

    from maskgate.adapters.triton.bounds import TritonBounds


_PLANS_PROMPTS = 64
"""What plans were built for before `decoder_multi` said so itself."""


class Described(Protocol):
    """What a Triton says of a model."""

    @property
    def engine(self) -> Engine:
        """What the model was built from."""
        ...


D = TypeVar("D", bound=Described)


@dataclass(frozen=True, slots=True)
class Encoding:
    """All that is known of a model by a Triton that only encodes."""

    engine: Engine


@dataclass(frozen=True, slots=True)
class Role(Generic[D]):
    """What a Triton is there for.

    Attributes:
        needed: Name the Triton models without which it is of no use, given the name of ours.
        wished: Name those without which it serves less.
        read: Reads the name of our model and the configurations, in that order; None is one that is wished for in vain.
    """

    needed: tuple[Callable[[str], str], ...]
    wished: tuple[Callable[[str], str], ...]
    read: Callable[..., D]


@dataclass(frozen=True, slots=True)
class _Known(Generic[D]):
    described: D
    expires: float


class ModelSpecs(Generic[D]):
    """What one Triton says of its models, asked for when first needed and believed for a while."""

    def __init__(self, client: InferenceServerClient, bounds: TritonBounds, role: Role[D]) -> None:
        self._client = client
        self._bounds = bounds
        self._role = role
        self._known: dict[str, _Known[D]] = {}

    def known(self, model: str) -> D | None:
        """Return what was last heard, however long ago."""
        known = self._known.get(model)
        return None if known is None else known.described

    def fresh(self, model: str) -> D | None:
        """Return what was heard lately."""
        known = self._known.get(model)
        return None if known is None or known.expires < monotonic() else known.described

    def forget(self, model: str) -> None:
        """Ask again next time: what comes back after a failure may be another engine."""
        self._known.pop(model, None)

    async def get(self, model: str) -> D:
        """Describe a model. Raises BackendUnavailable, ModelNotFound, InferenceFailed."""
        heard = self.fresh(model)
        if heard is None:
            heard = await self._describe(model)
            self._known[model] = _Known(heard, monotonic() + self._bounds.spec_ttl)
        return heard

    async def check_ready(self, model: str) -> None:
        """Make sure that a model can be described and is ready. Raises MaskgateError."""
        await self.get(model)
        for name in [name_of(model) for name_of in self._role.needed]:
            with described(model):
                ready = await self._client.is_model_ready(name, client_timeout=self._bounds.describe)
            if not ready:
                raise BackendUnavailable(f"The model {name!r} is not ready.", model=model)

    async def _describe(self, model: str) -> D:
        needed = [await self._config(model, name_of(model)) for name_of in self._role.needed]
        wished = [await self._config_if_there(model, name_of(model)) for name_of in self._role.wished]
        return self._role.read(model, *needed, *wished)

    async def _config_if_there(self, model: str, name: str) -> ModelConfig | None:
        try:
            return await self._config(model, name)
        except (ModelNotFound, BackendUnavailable):  # nothing that clicks need
            return None

    async def _config(self, model: str, name: str) -> ModelConfig:
        with described(model):
            answer = await self._client.get_model_config(name, client_timeout=self._bounds.describe)
        return answer.config


def create_spec(model: str, encoder: ModelConfig, decoder: ModelConfig, many: ModelConfig | None) -> ModelSpec:
    """Combine the configurations of `<model>_encoder`, `<model>_decoder` and `<model>_decoder_multi`.

    Shapes come from the tensors (model_repository/README.md), identity from the encoder's parameters, and from those of
    `decoder_multi` how many prompts go together and how long they may be: without it one by one, and short.

    Raises:
        InferenceFailed: A tensor or parameter of the contract is missing, or makes no sense.
    """
    with _by_contract(model):
        side, shape = _dims(encoder.input, "image")[-1], _dims(encoder.output, "image_embeddings")
        return _spec(_engine(model, encoder), side, shape, decoder, many)


def create_spec_of_decoder(model: str, decoder: ModelConfig, many: ModelConfig | None) -> ModelSpec:
    """Do the same where the encoder is elsewhere, and perhaps not running: what it takes, the decoder's parameters say.

    Raises:
        InferenceFailed: As `create_spec`.
    """
    with _by_contract(model):
        side, shape = int(_parameter(decoder, "input_size")), _dims(decoder.input, "image_embeddings")
        return _spec(_engine(model, decoder), side, shape, decoder, many)


def create_encoding(model: str, encoder: ModelConfig) -> Encoding:
    """Read what an encoder was built from. Raises InferenceFailed, as `create_spec`."""
    with _by_contract(model):
        return Encoding(_engine(model, encoder))


WHOLE: Role[ModelSpec] = Role((encoder_of, decoder_of), (decoder_multi_of,), create_spec)
"""It encodes and decodes."""
DECODER: Role[ModelSpec] = Role((decoder_of,), (decoder_multi_of,), create_spec_of_decoder)
ENCODER: Role[Encoding] = Role((encoder_of,), (), create_encoding)


@contextmanager
def _by_contract(model: str) -> Iterator[None]:
    try:
        yield
    except (KeyError, ValueError) as error:
        raise InferenceFailed(f"The model {model!r} breaks the model contract: {error}.", model=model) from error


def _engine(model: str, config: ModelConfig) -> Engine:
    digest, precision, preprocessing = [
        _parameter(config, name) for name in ("weights_digest", "precision", "preprocessing")
    ]
    return Engine(model, digest, precision, preprocessing)


def _spec(engine: Engine, side: int, shape: list[int], decoder: ModelConfig, many: ModelConfig | None) -> ModelSpec:
    tokens, mask_size = _dims(decoder.output, "low_res_masks")[1:3]
    slots = _dims(decoder.input, "point_labels")[-1]
    channels, height, width = shape
    return ModelSpec(
        name=engine.model,
        input_size=side,
        embedding_shape=(channels, height, width),
        mask_size=mask_size,
        mask_tokens=tokens,
        prompt_slots=slots,
        slot_buckets=_slot_buckets(many, slots),
        max_prompts=1 if many is None else int(_optional(many, "max_prompts", _PLANS_PROMPTS)),
        weights_digest=engine.weights_digest,
        precision=engine.precision,
        preprocessing=engine.preprocessing,
    )


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
