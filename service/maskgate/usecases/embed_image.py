"""Get the embedding of an image: from a cache if possible, from the encoder otherwise, and never twice at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING

from maskgate.domain.embedding import Embedding, EmbeddingKey
from maskgate.domain.timing import CacheTier
from maskgate.usecases.get_image import image_not_found
from maskgate.usecases.keep_alive import KeepAlive
from maskgate.usecases.single_flight import SingleFlight

if TYPE_CHECKING:
    from maskgate.domain.image import ImageId
    from maskgate.domain.model import ModelSpec
    from maskgate.ports import EmbeddingCache, ImageDecoder, ImageStore, InferenceBackend
    from maskgate.usecases.admission import Admission


@dataclass(frozen=True, slots=True)
class Embedded:
    """An embedding and what it took to get it, in seconds."""

    embedding: Embedding
    tier: CacheTier
    queue: float = 0.0
    encode: float = 0.0

    def as_seen_by(self, *, waited: float) -> Embedded:
        """Return the times of somebody who waited for it that long, who may have joined when it was half done."""
        encode = min(self.encode, waited)
        return replace(self, encode=encode, queue=min(self.queue, waited - encode))


@dataclass(frozen=True, slots=True)
class EmbeddingCaches:
    """The two tiers: the memory of this process, and what all gateways share.

    Here a cache never fails: one that cannot be asked is a miss (adapters/instrumented.py sees to it).
    """

    l1: EmbeddingCache
    l2: EmbeddingCache


class EmbedImage:
    """L1 → join a flight: L2 → image → encode → L2 and L1."""

    def __init__(
        self,
        *,
        caches: EmbeddingCaches,
        store: ImageStore,
        decoder: ImageDecoder,
        backend: InferenceBackend,
        admission: Admission,
    ) -> None:
        self._caches = caches
        self._store = store
        self._decoder = decoder
        self._backend = backend
        self._admission = admission
        self._keep_alive = KeepAlive(store)
        self._flights: SingleFlight[Embedded] = SingleFlight()

    async def __call__(self, image_id: ImageId, spec: ModelSpec) -> Embedded:
        """Return the embedding of an image by a model.

        Raises:
            ImageNotFound: No embedding is cached and the image is not kept.
            StoreUnavailable, BackendUnavailable, Overloaded, InferenceFailed: As the ports say.
        """
        key = EmbeddingKey.of(image_id, spec)
        cached = await self._caches.l1.get(key)
        if cached is not None:
            await self._keep_alive(image_id)
            return Embedded(cached, CacheTier.L1)
        joined = perf_counter()
        embedded = await self._flights(key, lambda: self._fetch_or_encode(key, spec))
        return embedded.as_seen_by(waited=perf_counter() - joined)

    async def drain(self) -> None:
        """Wait for encodes under way, so that shutting down loses none."""
        await self._flights.drain()

    async def _fetch_or_encode(self, key: EmbeddingKey, spec: ModelSpec) -> Embedded:
        shared = await self._caches.l2.get(key)
        if shared is not None and len(shared.tensor) == spec.embedding_bytes:
            await self._caches.l1.put(key, shared)
            await self._keep_alive(key.image_id)
            return Embedded(shared, CacheTier.L2)
        embedded = await self._encode(key.image_id, spec)
        await self._caches.l1.put(key, embedded.embedding)
        await self._caches.l2.put(key, embedded.embedding)
        return embedded

    async def _encode(self, image_id: ImageId, spec: ModelSpec) -> Embedded:
        content = await self._store.content(image_id)
        if content is None:
            raise image_not_found(image_id)
        async with self._admission.permit() as queued:
            image = await self._decoder.prepare(content, side=spec.input_size)
            started = perf_counter()
            tensor = await self._backend.encode(spec, image)
            encode = perf_counter() - started
        return Embedded(Embedding(image.original, tensor), CacheTier.MISS, queued, encode)
