"""Get the embedding of an image: from a cache if possible, from the encoder otherwise, and never twice at once."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING

from maskgate.domain.embedding import Embedding, EmbeddingKey
from maskgate.domain.timing import CacheTier
from maskgate.usecases.get_image import image_not_found
from maskgate.usecases.keep_alive import KeepAlive
from maskgate.usecases.single_flight import SingleFlight

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from maskgate.domain.embedding import HeldEmbedding
    from maskgate.domain.image import ImageId
    from maskgate.domain.model import ModelSpec
    from maskgate.ports import EmbeddingCache, EmbeddingShelf, ImageDecoder, ImageStore, InferenceBackend
    from maskgate.usecases.admission import Admission


@dataclass(frozen=True, slots=True)
class Effort:
    """What it took to get an embedding: where it was found, and seconds."""

    tier: CacheTier
    queue: float = 0.0
    encode: float = 0.0

    def as_seen_by(self, *, waited: float) -> Effort:
        """Return the times of somebody who waited for it that long, who may have joined when it was half done."""
        encode = min(self.encode, waited)
        return replace(self, encode=encode, queue=min(self.queue, waited - encode))


@dataclass(frozen=True, slots=True)
class Embedded:
    """An embedding that is held, and what it took to get it."""

    embedding: HeldEmbedding
    effort: Effort


@dataclass(frozen=True, slots=True)
class _Landed:
    """What a flight brings to all who wait for it; each of them holds the embedding for itself."""

    embedding: Embedding
    effort: Effort


@dataclass(frozen=True, slots=True)
class EmbeddingTiers:
    """Where embeddings are looked for: at hand in this process, then in what all gateways share.

    Here the latter never fails: a cache that cannot be asked is a miss (adapters/instrumented.py sees to it).
    """

    l1: EmbeddingShelf
    l2: EmbeddingCache


class EmbedImage:
    """L1 → join a flight: L2 → image → encode → L1 and L2."""

    def __init__(
        self,
        *,
        tiers: EmbeddingTiers,
        store: ImageStore,
        decoder: ImageDecoder,
        backend: InferenceBackend,
        admission: Admission,
    ) -> None:
        self._tiers = tiers
        self._store = store
        self._decoder = decoder
        self._backend = backend
        self._admission = admission
        self._keep_alive = KeepAlive(store)
        self._flights: SingleFlight[_Landed] = SingleFlight()

    @asynccontextmanager
    async def __call__(self, image_id: ImageId, spec: ModelSpec) -> AsyncIterator[Embedded]:
        """Hold the embedding of an image by a model while the block runs.

        Raises:
            ImageNotFound: No embedding is cached and the image is not kept.
            StoreUnavailable, BackendUnavailable, Overloaded, InferenceFailed: As the ports say.
        """
        key = EmbeddingKey.of(image_id, spec)
        embedded = self._at_hand(key) or await self._landed(key, spec)
        with embedded.embedding:
            if embedded.effort.tier is CacheTier.L1:
                await self._keep_alive(image_id)
            yield embedded

    async def drain(self) -> None:
        """Wait for encodes under way, so that shutting down loses none."""
        await self._flights.drain()

    def _at_hand(self, key: EmbeddingKey) -> Embedded | None:
        held = self._tiers.l1.hold(key)
        return None if held is None else Embedded(held, Effort(CacheTier.L1))

    async def _landed(self, key: EmbeddingKey, spec: ModelSpec) -> Embedded:
        joined = perf_counter()
        landed = await self._flights(key, lambda: self._fetch_or_encode(key, spec))
        effort = landed.effort.as_seen_by(waited=perf_counter() - joined)
        return Embedded(self._tiers.l1.keep(key, landed.embedding), effort)

    async def _fetch_or_encode(self, key: EmbeddingKey, spec: ModelSpec) -> _Landed:
        shared = await self._tiers.l2.get(key)
        if shared is not None and len(shared.tensor) == spec.embedding_bytes:
            self._keep(key, shared)
            await self._keep_alive(key.image_id)
            return _Landed(shared, Effort(CacheTier.L2))
        encoded = await self._encode(key.image_id, spec)
        self._keep(key, encoded.embedding)
        await self._tiers.l2.put(key, encoded.embedding)
        return encoded

    def _keep(self, key: EmbeddingKey, embedding: Embedding) -> None:
        """Keep an embedding for those who come next: all who waited for the flight may have gone."""
        self._tiers.l1.keep(key, embedding).release()

    async def _encode(self, image_id: ImageId, spec: ModelSpec) -> _Landed:
        content = await self._store.content(image_id)
        if content is None:
            raise image_not_found(image_id)
        async with self._admission.permit() as queued:
            image = await self._decoder.prepare(content, side=spec.input_size)
            started = perf_counter()
            tensor = await self._backend.encode(spec, image)
            encode = perf_counter() - started
        return _Landed(Embedding(image.original, tensor), Effort(CacheTier.MISS, queued, encode))
