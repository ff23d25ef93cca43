"""The inference backend on Triton.

The official client does what is rare (health, configuration, shared memory). The path of a click sends messages that
are serialised already over a plain channel (docs/adr/0006-clicks-are-sent-as-bytes.md). Where Triton can map the memory
that embeddings lie in, a click names its embedding in a message of 1 KB; elsewhere it carries it, 2 MiB for SAM
(docs/adr/0012-embeddings-in-shared-memory.md).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

import grpc
import numpy as np
from tritonclient.grpc.aio import InferenceServerClient

from maskgate.adapters.triton.calls import decoded, decoder_multi_of, decoder_of, encode_call, encoder_of
from maskgate.adapters.triton.failures import is_region_lost, translated
from maskgate.adapters.triton.prompts import Asked
from maskgate.adapters.triton.regions import RegisteredRegion
from maskgate.adapters.triton.specs import create_spec
from maskgate.adapters.triton.watching import Unwatched, Way
from maskgate.adapters.triton.wire import Reply
from maskgate.domain.errors import BackendUnavailable, DeadlineExceeded, ModelNotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tritonclient.grpc.model_config_pb2 import ModelConfig

    from maskgate.adapters.triton.regions import Region
    from maskgate.adapters.triton.watching import Watcher
    from maskgate.domain.call import Call
    from maskgate.domain.embedding import HeldEmbedding
    from maskgate.domain.image import EncoderImage
    from maskgate.domain.mask import DecodedMasks, DecodedRows
    from maskgate.domain.model import ModelSpec
    from maskgate.domain.prompt import MaskSelection, PromptSlots

_CHANNEL_OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.enable_http_proxy", 0),  # gRPC would ask the environment's proxy even for 127.0.0.1
    # A Triton that has vanished without a word is noticed; it is started to allow pings this often (stack/triton.py).
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # gRPC's default waits up to two minutes before it tries again; a restarted server is back in seconds.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
)
_TRIES_SHARED = 2
"""A region that is lost again when it has just been registered is not worth a third attempt."""
_MODEL_INFER = "/inference.GRPCInferenceService/ModelInfer"


@dataclass(frozen=True, slots=True)
class TritonBounds:
    """Limits of the calls to Triton, in seconds.

    Attributes:
        describe: For configuration and health.
        encode: For one image, its wait in Triton's queue included.
        decode: For one prompt, or as many as go together, the wait in Triton's queue included.
        spec_ttl: How long a model's spec is believed; an engine that was replaced is noticed after that.
    """

    describe: float
    encode: float
    decode: float
    spec_ttl: float


@dataclass(frozen=True, slots=True)
class _KnownSpec:
    spec: ModelSpec
    expires: float


class TritonBackend:
    """Models served by one Triton, or by several behind one address.

    Args:
        url: `host:port` of Triton's gRPC endpoint.
        models: Names that may be asked for.
        bounds: Timeouts.
        region: The shared memory that embeddings lie in, if they do.
        watcher: Is told what is sent.
    """

    def __init__(
        self,
        url: str,
        *,
        models: tuple[str, ...],
        bounds: TritonBounds,
        region: Region | None = None,
        watcher: Watcher | None = None,
    ) -> None:
        self._models = models
        self._bounds = bounds
        self._specs: dict[str, _KnownSpec] = {}
        self._client = InferenceServerClient(url, channel_args=_CHANNEL_OPTIONS)
        self._channel = grpc.aio.insecure_channel(url, options=_CHANNEL_OPTIONS)
        self._infer: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(_MODEL_INFER)
        self._watcher = watcher or Unwatched()
        self._shared: RegisteredRegion | None = None
        if region is not None:
            self._shared = RegisteredRegion(region, client=self._client, timeout=bounds.describe, watcher=self._watcher)

    async def close(self) -> None:
        """Close the connections; Triton lets go of the shared memory."""
        if self._shared is not None:
            await self._shared.close()
        await self._client.close()
        await self._channel.close()

    async def ping(self) -> None:
        """Check that there is a model to serve; a broken one must not take the others out of service.

        Raises:
            MaskgateError: No model can be described and is ready.
        """
        results = await asyncio.gather(*map(self._check, self._models), return_exceptions=True)
        failures = [result for result in results if result is not None]
        if len(failures) == len(self._models):
            raise failures[0]

    async def _check(self, model: str) -> None:
        await self.spec(model)
        for name in (encoder_of(model), decoder_of(model)):
            with translated(model):
                ready = await self._client.is_model_ready(name, client_timeout=self._bounds.describe)
            if not ready:
                raise BackendUnavailable(f"The model {name!r} is not ready.", model=model)

    async def spec(self, model: str) -> ModelSpec:
        """See InferenceBackend."""
        known = self._specs.get(model)
        if known is None or known.expires < monotonic():
            spec = await self._describe(model)
            known = _KnownSpec(spec, monotonic() + self._bounds.spec_ttl)
            self._specs[model] = known
        return known.spec

    async def encode(self, spec: ModelSpec, image: EncoderImage) -> bytes:
        """See InferenceBackend."""
        valid_hw = np.array([image.valid.height, image.valid.width], np.int32)
        request = encode_call(spec).fill(image.pixels.tobytes(), valid_hw.tobytes())
        self._watcher.sent("encode", Way.INLINE, len(request))
        reply = await self._call(spec, request, timeout=self._bounds.encode)
        return reply.raw("image_embeddings")

    async def decode(
        self, spec: ModelSpec, embedding: HeldEmbedding, slots: PromptSlots, selection: MaskSelection, *, call: Call
    ) -> DecodedMasks:
        """See InferenceBackend."""
        rows = await self._decode(spec, embedding, Asked((slots,), selection, call, many=False))
        return rows[0]

    async def decode_many(
        self,
        spec: ModelSpec,
        embedding: HeldEmbedding,
        rows: Sequence[PromptSlots],
        selection: MaskSelection,
        *,
        call: Call,
    ) -> DecodedRows:
        """See InferenceBackend."""
        return await self._decode(spec, embedding, Asked(tuple(rows), selection, call, many=True))

    async def _decode(self, spec: ModelSpec, embedding: HeldEmbedding, asked: Asked) -> DecodedRows:
        reply = None
        if self._shared is not None and embedding.place is not None:
            reply = await self._decode_shared(spec, embedding, asked, self._shared)
        if reply is None:
            reply = await self._send(spec, asked, asked.request(spec, embedding.tensor), Way.INLINE)
        return decoded(reply, asked.selection)

    async def _decode_shared(
        self, spec: ModelSpec, embedding: HeldEmbedding, asked: Asked, shared: RegisteredRegion
    ) -> Reply | None:
        for _ in range(_TRIES_SHARED):
            if not await shared.is_known():
                return None
            request = asked.request(spec, shared.embedding(embedding), shared.zeros)
            try:
                reply = await self._send(spec, asked, request, Way.SHARED)
            except BackendUnavailable as error:
                if not is_region_lost(error):
                    raise
                shared.lost()
            else:
                shared.check(embedding)
                return reply
        shared.refused()
        return None

    async def _send(self, spec: ModelSpec, asked: Asked, request: bytes, way: Way) -> Reply:
        remaining = asked.call.deadline.remaining()
        if remaining <= 0:
            raise DeadlineExceeded("The deadline passed before the prompt was decoded.")
        self._watcher.sent(asked.stage, way, len(request))
        return await self._call(spec, request, timeout=min(self._bounds.decode, remaining))

    async def _call(self, spec: ModelSpec, request: bytes, *, timeout: float) -> Reply:
        try:
            with translated(spec.name):
                return Reply.parse(await self._infer(request, timeout=timeout))
        except (BackendUnavailable, ModelNotFound):
            self._specs.pop(spec.name, None)  # what comes back may be another engine
            raise

    async def _describe(self, model: str) -> ModelSpec:
        if model not in self._models:
            raise ModelNotFound(f"There is no model {model!r}; this server has {', '.join(self._models)}.", model=model)
        encoder, decoder = [await self._config(model, name) for name in (encoder_of(model), decoder_of(model))]
        try:
            many = await self._config(model, decoder_multi_of(model))
        except (ModelNotFound, BackendUnavailable):  # nothing that clicks need
            many = None
        return create_spec(model, encoder=encoder, decoder=decoder, many=many)

    async def _config(self, model: str, name: str) -> ModelConfig:
        with translated(model):
            described = await self._client.get_model_config(name, client_timeout=self._bounds.describe)
        return described.config
