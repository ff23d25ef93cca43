"""Encoders that are started when somebody needs them: until one is there, calls are told when that will be."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from maskgate.domain.errors import BackendUnavailable, EncoderStarting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from maskgate.domain.call import Call
    from maskgate.domain.embedding import HeldEmbedding
    from maskgate.domain.image import EncoderImage
    from maskgate.domain.mask import DecodedMasks, DecodedRows
    from maskgate.domain.model import ModelSpec
    from maskgate.domain.prompt import MaskSelection, PromptSlots
    from maskgate.ports import InferenceBackend

_SHORTEST_SECONDS = 1.0


class EncodersOnDemand:
    """An InferenceBackend that may have no encoders at present.

    Who starts them sees by the metrics of this gateway that one is wanted (docs/scaling.md). Nothing is tried while
    none is there: a call that fails at once costs less than one that looks for a connection first.

    Args:
        inner: The backend.
        has_encoder: Says whether there was an encoder of a model when they were last looked for.
        start_seconds: How long an encoder takes to start, counted from the first call that wanted it.
    """

    def __init__(self, inner: InferenceBackend, *, has_encoder: Callable[[str], bool], start_seconds: float) -> None:
        self._inner = inner
        self._has_encoder = has_encoder
        self._start_seconds = start_seconds
        self._wanted_since: dict[str, float] = {}

    async def spec(self, model: str) -> ModelSpec:
        """See InferenceBackend."""
        return await self._inner.spec(model)

    async def encode(self, spec: ModelSpec, image: EncoderImage) -> bytes:
        """See InferenceBackend."""
        await self.expect_encoder(spec.name)
        try:
            embedding = await self._inner.encode(spec, image)
        except BackendUnavailable as error:
            if self._has_encoder(
                spec.name
            ):  # it is busy, or another engine; or it has just gone, as the next look finds
                raise
            raise self._starting(spec.name) from error
        self._wanted_since.pop(spec.name, None)
        return embedding

    async def expect_encoder(self, model: str) -> None:
        """See InferenceBackend."""
        if not self._has_encoder(model):
            raise self._starting(model)

    async def wait_for_encoder(self, model: str) -> None:
        """See InferenceBackend."""
        await self._inner.wait_for_encoder(model)

    async def decode(
        self, spec: ModelSpec, embedding: HeldEmbedding, slots: PromptSlots, selection: MaskSelection, *, call: Call
    ) -> DecodedMasks:
        """See InferenceBackend."""
        return await self._inner.decode(spec, embedding, slots, selection, call=call)

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
        return await self._inner.decode_many(spec, embedding, rows, selection, call=call)

    def _starting(self, model: str) -> EncoderStarting:
        foreseen = max(_SHORTEST_SECONDS, self._start_seconds - self._wanted_for(model))
        text = f"No encoder of the model {model!r} runs at present; one has been asked for."
        return EncoderStarting(text, retry_after=foreseen, model=model)

    def _wanted_for(self, model: str) -> float:
        """Return since how many seconds one is wanted; long ago was another start, or one that came to nothing."""
        now = monotonic()
        since = self._wanted_since.get(model, now)
        if now - since > 2 * self._start_seconds:
            since = now
        self._wanted_since[model] = since
        return now - since
