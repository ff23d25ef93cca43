"""Get the embedding of an image: from a cache if possible, from the encoder otherwise, and never twice at once."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

from maskgate.domain.embedding import Embedding, EmbeddingKey
from maskgate.domain.timing import CacheTier
from maskgate.usecases.await_encoder import AwaitEncoder
from maskgate.usecases.charge_pixels import ChargePixels
from maskgate.usecases.deletions import Watches
from maskgate.usecases.keep_alive import KeepAlive
from maskgate.usecases.owned_images import image_not_found
from maskgate.usecases.single_flight import SingleFlight

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from maskgate.domain.call import Call
    from maskgate.domain.embedding import HeldEmbedding
    from maskgate.domain.image import EncoderImage, ImageId, Region
    from maskgate.domain.model import ModelSpec
    from maskgate.domain.tenant import Tenant
    from maskgate.ports import (
        EmbeddingCache,
        EmbeddingShelf,
        EmbeddingWatcher,
        EncodeLocks,
        ImageDecoder,
        ImageStore,
        InferenceBackend,
    )
    from maskgate.usecases.admission import Admission
    from maskgate.usecases.charge_tenant import ChargeTenant
    from maskgate.usecases.deletions import Watch
    from maskgate.usecases.owned_images import OwnedImages


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
class _Wanted:
    """What a flight is after, and for whom. What is deleted meanwhile is not kept: the watch is asked before.

    Attributes:
        take_off: Called when the encode begins, which then goes on whoever leaves.
    """

    key: EmbeddingKey
    spec: ModelSpec
    watch: Watch
    tenant: Tenant
    take_off: Callable[[], None]


@dataclass(frozen=True, slots=True)
class EmbeddingTiers:
    """Where embeddings are looked for: at hand in this process, then in what all gateways share.

    Here the latter never fails: a cache that cannot be asked is a miss, and without locks it is everybody's turn
    (adapters/instrumented.py sees to it).

    Attributes:
        l1, l2: The two.
        locks: Whose turn it is to make one for L2.
    """

    l1: EmbeddingShelf
    l2: EmbeddingCache
    locks: EncodeLocks


class EmbedImage:
    """L1 → join a flight: L2 → wait for one's turn → image → encode → L1, and behind the answer L2.

    Where no encoder runs a flight fails at once. Whoever has the time to wait for one then does so, and flies again.
    """

    def __init__(
        self,
        *,
        tiers: EmbeddingTiers,
        images: OwnedImages,
        charge: ChargeTenant,
        store: ImageStore,
        decoder: ImageDecoder,
        backend: InferenceBackend,
        admission: Admission,
        watcher: EmbeddingWatcher,
    ) -> None:
        self._watcher = watcher
        self._tiers = tiers
        self._images = images
        self._charge_pixels = ChargePixels(charge, store)
        self._store = store
        self._decoder = decoder
        self._backend = backend
        self._admission = admission
        self._keep_alive = KeepAlive(store)
        self._flights: SingleFlight[tuple[EmbeddingKey, str], _Landed] = SingleFlight()
        self._await_encoder = AwaitEncoder(backend, places=admission.places, watcher=watcher)
        self._watches = Watches()
        self._sharing: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def __call__(
        self, image_id: ImageId, spec: ModelSpec, region: Region | None = None, *, call: Call
    ) -> AsyncIterator[Embedded]:
        """Hold the embedding of an image, or of a part of it, by a model while the block runs.

        Raises:
            ImageNotFound: It is not the caller's, neither kept nor encoded, or was deleted meanwhile.
            QuotaExceeded: The caller has encoded too many pixels.
            EncoderStarting: No encoder runs, and none will in the time that the caller has.
            DeadlineExceeded: It took longer than was foreseen.
            StoreUnavailable, BackendUnavailable, Overloaded, InferenceFailed: As the ports say.
        """
        await self._images.check(image_id, call=call)
        key = EmbeddingKey.of(image_id, spec, region)
        embedded = self._at_hand(key) or await self._awaited(key, spec, call)
        with embedded.embedding:
            if embedded.effort.tier is CacheTier.L1:
                await self._keep_alive(image_id)
            yield embedded

    def forget(self, image_id: ImageId) -> None:
        """Forget the embeddings of an image that was deleted, those too that are being made now."""
        self._watches.deleted(image_id)
        self._flights.close(lambda flight: flight[0].image_id == image_id)
        self._tiers.l1.drop(image_id)

    async def drain(self) -> None:
        """Wait for encodes under way until others can find what they made, so that shutting down loses none."""
        await self._flights.drain()
        await asyncio.gather(*self._sharing, return_exceptions=True)

    def _at_hand(self, key: EmbeddingKey) -> Embedded | None:
        held = self._tiers.l1.hold(key)
        return None if held is None else Embedded(held, Effort(CacheTier.L1))

    async def _awaited(self, key: EmbeddingKey, spec: ModelSpec, call: Call) -> Embedded:
        with self._watcher.awaited():
            embedded, waited = await self._await_encoder(
                key, partial(self._landed, key, spec, tenant=call.tenant), call
            )
        return replace(embedded, effort=replace(embedded.effort, queue=embedded.effort.queue + waited))

    async def _landed(self, key: EmbeddingKey, spec: ModelSpec, *, tenant: Tenant) -> Embedded:
        """Join a flight of the same tenant: what refuses one tenant must not refuse another.

        Flights of different tenants meet where those of different gateways do: it is one's turn to encode, and the
        others wait for what it brings.
        """
        joined = perf_counter()
        with self._watches.on(key.image_id) as watch:
            landed = await self._flights((key, tenant.name), partial(self._fly, key, spec, tenant))
            watch.check()
        effort = landed.effort.as_seen_by(waited=perf_counter() - joined)
        return Embedded(self._tiers.l1.keep(key, landed.embedding), effort)

    async def _fly(self, key: EmbeddingKey, spec: ModelSpec, tenant: Tenant, take_off: Callable[[], None]) -> _Landed:
        with self._watches.on(key.image_id) as watch:
            wanted = _Wanted(key, spec, watch, tenant, take_off)
            return await self._shared(wanted) or await self._encode_in_turn(wanted)

    async def _shared(self, wanted: _Wanted, *, waited: float = 0.0) -> _Landed | None:
        shared = await self._tiers.l2.get(wanted.key)
        if shared is None or len(shared.tensor) != wanted.spec.embedding_bytes:
            return None
        self._keep(wanted, shared)
        await self._keep_alive(wanted.key.image_id)
        return _Landed(shared, Effort(CacheTier.L2, queue=waited))

    async def _encode_in_turn(self, wanted: _Wanted) -> _Landed:
        asked = perf_counter()
        async with AsyncExitStack() as turn:
            if lease := await self._tiers.locks.take(wanted.key):
                turn.push_async_callback(lease.release)  # after an error at once: others need not wait for that
            elif landed := await self._shared(wanted, waited=perf_counter() - asked):
                return landed
            with self._watcher.pending(wanted.key):
                encoded = await self._encode(wanted, waited=perf_counter() - asked)
            self._keep(wanted, encoded.embedding)
            self._share(wanted.key, encoded.embedding, turn.pop_all())
            return encoded

    def _share(self, key: EmbeddingKey, embedding: Embedding, turn: AsyncExitStack) -> None:
        """Let others have it, then end one's turn; who waits for the answer waits for neither.

        These are no more than the encodes that end while the shared cache takes to answer, which has its timeout.
        """
        sharing = asyncio.create_task(self._put(key, embedding, turn), name=f"share {key}")
        self._sharing.add(sharing)
        sharing.add_done_callback(self._sharing.discard)

    async def _put(self, key: EmbeddingKey, embedding: Embedding, turn: AsyncExitStack) -> None:
        async with turn:
            await self._tiers.l2.put(key, embedding)

    def _keep(self, wanted: _Wanted, embedding: Embedding) -> None:
        """Keep an embedding for those who come next: all who waited for the flight may have gone.

        Raises:
            ImageNotFound: The image was deleted meanwhile.
        """
        wanted.watch.check()
        self._tiers.l1.keep(wanted.key, embedding).release()

    async def _encode(self, wanted: _Wanted, *, waited: float) -> _Landed:
        async with self._admission.permit(wanted.tenant) as queued:
            await self._backend.expect_encoder(wanted.spec.name)  # before anything is paid for, or decoded
            wanted.take_off()
            image = await self._prepared(wanted)
            started = perf_counter()
            tensor = await self._backend.encode(wanted.spec, image)
            encode = perf_counter() - started
        return _Landed(Embedding(image.original, tensor), Effort(CacheTier.MISS, waited + queued, encode))

    async def _prepared(self, wanted: _Wanted) -> EncoderImage:
        """Read the image, with a permit only: those who wait for one hold no files, and nobody pays for a refusal."""
        await self._charge_pixels(wanted.key, wanted.tenant)  # before the file is moved for who may not decode it
        content = await self._store.content(wanted.key.image_id)
        if content is None:
            raise image_not_found(wanted.key.image_id)
        return await self._decoder.prepare(content, side=wanted.spec.input_size, region=wanted.key.region)
