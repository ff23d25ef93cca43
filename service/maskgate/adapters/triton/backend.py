"""The inference backend on Triton.

The official client does what is rare (health, configuration, shared memory). The path of a click sends messages that
are serialised already over a plain channel (docs/adr/0006-clicks-are-sent-as-bytes.md). Which Triton is asked, and
when a second one, is docs/adr/0017-deadlines-retries-and-several-tritons.md.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from maskgate.adapters.triton.calls import decoded, encode_call
from maskgate.adapters.triton.delivery import Delivery
from maskgate.adapters.triton.encoders import Encoders
from maskgate.adapters.triton.endpoints import Endpoint, Endpoints, Manner
from maskgate.adapters.triton.prompts import Asked
from maskgate.adapters.triton.retries import Dispatch, Errand
from maskgate.adapters.triton.specs import DECODER, WHOLE
from maskgate.adapters.triton.watching import Unwatched, Way
from maskgate.domain.call import Deadline
from maskgate.domain.errors import BackendUnavailable, ModelNotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from maskgate.adapters.triton.bounds import TritonBounds
    from maskgate.adapters.triton.endpoints import Metadata
    from maskgate.adapters.triton.regions import Region
    from maskgate.adapters.triton.watching import Watcher
    from maskgate.adapters.triton.wire import Reply
    from maskgate.domain.call import Call
    from maskgate.domain.embedding import HeldEmbedding
    from maskgate.domain.image import EncoderImage
    from maskgate.domain.mask import DecodedMasks, DecodedRows
    from maskgate.domain.model import ModelSpec
    from maskgate.domain.prompt import MaskSelection, PromptSlots

_PAUSE_SECONDS = 0.5


class TritonBackend:
    """Models served by one Triton or by several.

    Args:
        urls: `host:port` of each gRPC endpoint; the first says what the models are, while it answers.
        models: Names that may be asked for.
        bounds: Timeouts.
        encoder_urls: Those that encode, where the others only decode; a host may be a name of several.
        region: The shared memory that embeddings lie in, if they do.
        watcher: Is told what is sent.
        handed_on: Returns metadata that inferences carry, such as the trace that they belong to.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        models: tuple[str, ...],
        bounds: TritonBounds,
        encoder_urls: Sequence[str] = (),
        region: Region | None = None,
        watcher: Watcher | None = None,
        handed_on: Callable[[], Metadata] = tuple,
    ) -> None:
        self._models = models
        self._bounds = bounds
        self._watcher = watcher or Unwatched()
        manner = Manner(bounds, self._watcher, handed_on)
        role = DECODER if encoder_urls else WHOLE
        self._endpoints = Endpoints([Endpoint(url, role, manner, region) for url in urls])
        self._encoders = Encoders(encoder_urls, manner) if encoder_urls else None
        self._deliver = Delivery(self._watcher)
        self._dispatch = Dispatch(bounds, self._watcher)
        self._dispatch_encodes = Dispatch(bounds, self._watcher) if encoder_urls else self._dispatch

    @property
    def endpoints(self) -> tuple[Endpoint[ModelSpec], ...]:
        """The endpoints that decode, in their order."""
        return self._endpoints.all

    async def close(self) -> None:
        """Close the connections; the Tritons let go of the shared memory."""
        await self._endpoints.close()
        if self._encoders is not None:
            await self._encoders.close()

    async def ping(self) -> None:
        """Check that there is a model to serve; what is broken must not take the rest out of service.

        Raises:
            MaskgateError: No endpoint can describe a model that is ready.
        """
        if self._encoders is not None and not self._encoders.all:
            await self._encoders.look_up()  # so that a gateway that says it is ready knows of them
        await self._endpoints.check(self._models)

    async def ping_encoders(self) -> None:
        """Look for encoders, and check that there is one. Raises MaskgateError, as `ping` does."""
        if self._encoders is not None:
            await self._encoders.look_up()
            await self._encoders.check(self._models)

    def has_encoder(self, model: str) -> bool:
        """Say whether there was an encoder of a model when they were last looked for."""
        return self._encoding.has(model)

    def mismatched(self, model: str) -> int:
        """Count the endpoints that are left out since they serve another engine of a model."""
        leading = self._endpoints.leading(model)
        spec = None if leading is None else leading.specs.known(model)
        if spec is None:
            return 0
        return self._endpoints.idle(spec) + (0 if self._encoders is None else self._encoders.idle(spec))

    async def spec(self, model: str) -> ModelSpec:
        """See InferenceBackend."""
        if model not in self._models:
            raise ModelNotFound(f"There is no model {model!r}; this server has {', '.join(self._models)}.", model=model)
        leading = self._endpoints.leading(model)
        known = None if leading is None else leading.specs.fresh(model)
        return known or await self._describe(model)

    async def encode(self, spec: ModelSpec, image: EncoderImage) -> bytes:
        """See InferenceBackend."""
        if not self._encoding.all:
            raise BackendUnavailable("There is no encoder.", model=spec.name)
        deadline = Deadline.after(self._bounds.encode)
        pick = partial(self._encoding.pick, spec, local=False)
        send = partial(self._encode, spec, image, deadline)
        reply = await self._dispatch_encodes(Errand("encode", spec.name, deadline, pick, send))
        return reply.raw("image_embeddings")

    async def expect_encoder(self, model: str) -> None:
        """See InferenceBackend. Encoders are always there, or somebody else's business (on_demand.py)."""

    async def wait_for_encoder(self, model: str) -> None:
        """See InferenceBackend."""
        await asyncio.sleep(_pause())
        while not self.has_encoder(model):  # noqa: ASYNC110 - many wait, and are not to come all at once
            await asyncio.sleep(_pause())

    async def decode(
        self, spec: ModelSpec, embedding: HeldEmbedding, slots: PromptSlots, selection: MaskSelection, *, call: Call
    ) -> DecodedMasks:
        """See InferenceBackend."""
        rows = await self._decode(Asked(spec, embedding, (slots,), selection, many=False), call)
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
        return await self._decode(Asked(spec, embedding, tuple(rows), selection, many=True), call)

    @property
    def _encoding(self) -> Endpoints[Any]:
        return self._endpoints if self._encoders is None else self._encoders

    async def _describe(self, model: str) -> ModelSpec:
        deadline = Deadline.after(self._bounds.describe)
        pick = partial(self._endpoints.leading, model)
        return await self._dispatch(Errand("describe", model, deadline, pick, lambda asked: asked.specs.get(model)))

    async def _encode(self, spec: ModelSpec, image: EncoderImage, deadline: Deadline, endpoint: Endpoint[Any]) -> Reply:
        await endpoint.agree(spec)
        valid_hw = np.array([image.valid.height, image.valid.width], np.int32)
        request = encode_call(spec).fill(image.pixels.tobytes(), valid_hw.tobytes())
        self._watcher.sent("encode", Way.INLINE, len(request))
        return await endpoint.infer(spec.name, request, deadline=deadline)

    async def _decode(self, asked: Asked, call: Call) -> DecodedRows:
        """Have prompts decoded in the time that the call or the decoder has, whichever is less."""
        longest = self._bounds.decode_many if asked.many else self._bounds.decode
        bounded = replace(call, deadline=call.deadline.within(longest))
        pick = partial(self._endpoints.pick, asked.spec, local=asked.embedding.place is not None)
        send = partial(self._deliver, asked=asked, call=bounded)
        reply = await self._dispatch(Errand(asked.stage, asked.spec.name, bounded.deadline, pick, send))
        return decoded(reply, asked.selection)


def _pause() -> float:
    return random.uniform(0.5, 1.5) * _PAUSE_SECONDS  # noqa: S311 - no secret
