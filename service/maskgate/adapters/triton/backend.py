"""The inference backend on Triton.

The official client does what is rare (health, configuration). The path of a click sends messages that are serialised
already over a plain channel: with a 2 MiB embedding three times the calls a second of the client's `infer`
(docs/adr/0006-clicks-are-sent-as-bytes.md).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

import grpc
import numpy as np
from tritonclient.grpc.aio import InferenceServerClient

from maskgate.adapters.triton.calls import decode_call, decoder_of, encode_call, encoder_of, no_mask_input
from maskgate.adapters.triton.failures import translated
from maskgate.adapters.triton.specs import create_spec
from maskgate.adapters.triton.wire import Reply
from maskgate.domain.errors import BackendUnavailable, ModelNotFound
from maskgate.domain.mask import DecodedMasks
from maskgate.domain.prompt import MaskSelection

if TYPE_CHECKING:
    from maskgate.domain.embedding import HeldEmbedding
    from maskgate.domain.image import EncoderImage
    from maskgate.domain.model import ModelSpec
    from maskgate.domain.prompt import PromptSlots

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
_MODEL_INFER = "/inference.GRPCInferenceService/ModelInfer"


@dataclass(frozen=True, slots=True)
class TritonBounds:
    """Limits of the calls to Triton, in seconds.

    Attributes:
        describe: For configuration and health.
        encode: For one image, its wait in Triton's queue included.
        decode: For one prompt, its wait in Triton's queue included.
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
    """

    def __init__(self, url: str, *, models: tuple[str, ...], bounds: TritonBounds) -> None:
        self._models = models
        self._bounds = bounds
        self._specs: dict[str, _KnownSpec] = {}
        self._client = InferenceServerClient(url, channel_args=_CHANNEL_OPTIONS)
        self._channel = grpc.aio.insecure_channel(url, options=_CHANNEL_OPTIONS)
        self._infer: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(_MODEL_INFER)

    async def close(self) -> None:
        """Close the connections."""
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
        reply = await self._call(spec, request, timeout=self._bounds.encode)
        return reply.raw("image_embeddings")

    async def decode(
        self, spec: ModelSpec, embedding: HeldEmbedding, slots: PromptSlots, selection: MaskSelection
    ) -> DecodedMasks:
        """See InferenceBackend."""
        no_mask, has_mask = no_mask_input(spec)
        request = decode_call(spec, selection).fill(
            embedding.tensor,
            slots.coords.tobytes(),
            slots.labels.tobytes(),
            no_mask,
            has_mask,
            np.float32(selection is MaskSelection.BEST).tobytes(),
        )
        reply = await self._call(spec, request, timeout=self._bounds.decode)
        if selection is MaskSelection.ALL:  # the first token is the single mask's
            logits, ious = reply.array("low_res_masks")[0, 0, 1:], reply.array("iou_predictions")[0, 0, 1:]
        else:
            logits, ious = reply.array("best_mask")[0], reply.array("best_iou")[0]
        return DecodedMasks(logits.astype(np.float16, copy=False), ious.astype(np.float32, copy=False))

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
        with translated(model):
            encoder, decoder = [
                await self._client.get_model_config(name, client_timeout=self._bounds.describe)
                for name in (encoder_of(model), decoder_of(model))
            ]
        return create_spec(model, encoder=encoder.config, decoder=decoder.config)
