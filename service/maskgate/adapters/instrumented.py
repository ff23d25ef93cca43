"""Wrappers around the ports that count, time and log, so that a use case's text holds none of it."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import product
from time import perf_counter
from typing import TYPE_CHECKING

import structlog

from maskgate.domain.errors import (
    BackendUnavailable,
    CacheUnavailable,
    DeadlineExceeded,
    EncoderStarting,
    ImageTooLarge,
    InferenceFailed,
    InvalidImageUrl,
    MaskgateError,
    ModelNotFound,
    Overloaded,
)
from maskgate.domain.tenant import Quota
from maskgate.telemetry.facts import note_cache

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt
    from prometheus_client import Counter

    from maskgate.domain.call import Call
    from maskgate.domain.embedding import Embedding, EmbeddingKey, HeldEmbedding
    from maskgate.domain.image import EncoderImage, ImageId
    from maskgate.domain.mask import DecodedMasks, DecodedRows
    from maskgate.domain.mask_handle import MaskAddress
    from maskgate.domain.model import ModelSpec
    from maskgate.domain.prompt import MaskSelection, PromptSlots
    from maskgate.domain.tenant import Tenant
    from maskgate.domain.url import ImageUrl
    from maskgate.ports import (
        EmbeddingCache,
        EmbeddingShelf,
        EncodeLocks,
        ImageFetcher,
        InferenceBackend,
        Lease,
        MaskShelf,
        Quotas,
    )
    from maskgate.telemetry import CacheMetrics, FlightMetrics, InferenceMetrics, MaskMetrics, TenantMetrics

_log = structlog.get_logger(__name__)

_STAGES = ("encode", "decode", "decode_many")
_FAILURES = (BackendUnavailable, DeadlineExceeded, EncoderStarting, InferenceFailed, ModelNotFound, Overloaded)
"""What the port may raise."""


class _Lookups:
    """The counters of one tier, all of them exposed from the start."""

    def __init__(self, tier: str, lookups: Counter) -> None:
        self.hits, self.misses, self.errors = [lookups.labels(tier, result) for result in ("hit", "miss", "error")]

    def looked_up(self, *, found: bool) -> None:
        (self.hits if found else self.misses).inc()


class InstrumentedShelf:
    """Counts lookups. What has just been kept is held without another one."""

    def __init__(self, inner: EmbeddingShelf, *, tier: str, metrics: CacheMetrics) -> None:
        self._inner = inner
        self._counters = _Lookups(tier, metrics.lookups)

    def hold(self, key: EmbeddingKey) -> HeldEmbedding | None:
        """See EmbeddingShelf."""
        held = self._inner.hold(key)
        self._counters.looked_up(found=held is not None)
        if held is not None:
            note_cache("l1")
        return held

    def keep(self, key: EmbeddingKey, embedding: Embedding) -> HeldEmbedding:
        """See EmbeddingShelf."""
        return self._inner.keep(key, embedding)

    def drop(self, image_id: ImageId) -> None:
        """See EmbeddingShelf."""
        self._inner.drop(image_id)


class InstrumentedCache:
    """Counts lookups, and makes a cache that cannot be asked a miss: the declared seam of degradation."""

    def __init__(self, inner: EmbeddingCache, *, tier: str, metrics: CacheMetrics) -> None:
        self._inner = inner
        self._tier = tier
        self._counters = _Lookups(tier, metrics.lookups)
        self._write_errors = metrics.write_errors.labels(tier)

    async def get(self, key: EmbeddingKey) -> Embedding | None:
        """See EmbeddingCache; never raises."""
        try:
            embedding = await self._inner.get(key)
        except CacheUnavailable as error:
            self._counters.errors.inc()
            _log.warning("embedding_cache.unreadable", tier=self._tier, error=str(error))
            return None
        self._counters.looked_up(found=embedding is not None)
        note_cache("miss" if embedding is None else self._tier)
        return embedding

    async def put(self, key: EmbeddingKey, embedding: Embedding) -> None:
        """See EmbeddingCache; never raises."""
        try:
            await self._inner.put(key, embedding)
        except CacheUnavailable as error:
            self._write_errors.inc()
            _log.warning("embedding_cache.unwritable", tier=self._tier, error=str(error))

    async def delete(self, image_id: ImageId) -> None:
        """See EmbeddingCache; raises, since a client is told that something is gone."""
        await self._inner.delete(image_id)


class InstrumentedMasks:
    """Counts lookups of masks; on a shelf that cannot be asked there is none, and what it cannot take is not shared."""

    def __init__(self, inner: MaskShelf, *, tier: str, metrics: MaskMetrics) -> None:
        self._inner = inner
        self._counters = _Lookups(tier, metrics.lookups)
        self._unshared = metrics.unshared

    async def put(self, masks: Mapping[MaskAddress, npt.NDArray[np.float16]]) -> None:
        """See MaskShelf; never raises. What fails is counted and not logged: it would be with every click."""
        try:
            await self._inner.put(masks)
        except CacheUnavailable:
            self._unshared.inc(len(masks))

    async def get(self, address: MaskAddress) -> npt.NDArray[np.float16] | None:
        """See MaskShelf; never raises."""
        try:
            logits = await self._inner.get(address)
        except CacheUnavailable as error:
            self._counters.errors.inc()
            _log.warning("masks.unreadable", error=str(error))
            return None
        self._counters.looked_up(found=logits is not None)
        return logits


class InstrumentedLocks:
    """Counts and times waits for other gateways; without locks it is everybody's turn, as it was within one process."""

    def __init__(self, inner: EncodeLocks, *, metrics: FlightMetrics) -> None:
        self._inner = inner
        self._seconds = metrics.seconds
        self._shared, self._took_over, self._gave_up = [
            metrics.waits.labels(result) for result in ("shared", "took_over", "gave_up")
        ]

    async def take(self, key: EmbeddingKey) -> Lease | None:
        """See EncodeLocks; never raises."""
        started = perf_counter()
        try:
            lease = await self._inner.take(key)
        except CacheUnavailable as error:
            _log.warning("encode_locks.unavailable", error=str(error))
            self._waited(self._gave_up, started)
            return _NobodysLease()
        if lease is None or lease.taken_over:
            self._waited(self._took_over if lease else self._shared, started)
        return lease

    def _waited(self, result: Counter, started: float) -> None:
        result.inc()
        self._seconds.observe(perf_counter() - started)


class InstrumentedQuotas:
    """Counts what is refused, by quota and never by tenant."""

    def __init__(self, inner: Quotas, *, metrics: TenantMetrics) -> None:
        self._inner = inner
        self._refusals = {quota: metrics.refusals.labels(quota.value) for quota in Quota}

    async def charge(self, tenant: Tenant, quota: Quota, amount: float) -> float:
        """See Quotas."""
        wait = await self._inner.charge(tenant, quota, amount)
        if wait:
            self._refusals[quota].inc()
        return wait


class _NobodysLease:
    """The turn of somebody who encodes without having been given one."""

    taken_over = False

    async def release(self) -> None:
        """See Lease."""


class InstrumentedFetcher:
    """Counts files that were fetched from elsewhere."""

    def __init__(self, inner: ImageFetcher, *, fetches: Counter) -> None:
        self._inner = inner
        self._done, self._refused, self._too_large, self._failed = [
            fetches.labels(result) for result in ("done", "refused", "too_large", "failed")
        ]

    async def fetch(self, url: ImageUrl) -> bytes:
        """See ImageFetcher."""
        try:
            content = await self._inner.fetch(url)
        except MaskgateError as error:
            self._counter_of(error).inc()
            raise
        self._done.inc()
        return content

    def _counter_of(self, error: MaskgateError) -> Counter:
        if isinstance(error, InvalidImageUrl):
            return self._refused
        return self._too_large if isinstance(error, ImageTooLarge) else self._failed


class InstrumentedBackend:
    """Times each call to the inference server; all that can be counted of the models is exposed from the start."""

    def __init__(self, inner: InferenceBackend, *, models: Sequence[str], metrics: InferenceMetrics) -> None:
        self._inner = inner
        self._metrics = metrics
        for model, stage in product(models, _STAGES):
            metrics.in_flight.labels(stage)
            metrics.seconds.labels(model, stage)
            for error in _FAILURES:
                metrics.errors.labels(model, stage, error.reason)

    async def spec(self, model: str) -> ModelSpec:
        """See InferenceBackend."""
        return await self._inner.spec(model)

    async def encode(self, spec: ModelSpec, image: EncoderImage) -> bytes:
        """See InferenceBackend."""
        with self._observed(spec.name, "encode"):
            return await self._inner.encode(spec, image)

    async def expect_encoder(self, model: str) -> None:
        """See InferenceBackend."""
        try:
            await self._inner.expect_encoder(model)
        except MaskgateError as error:
            self._metrics.errors.labels(model, "encode", error.reason).inc()
            raise

    async def wait_for_encoder(self, model: str) -> None:
        """See InferenceBackend."""
        await self._inner.wait_for_encoder(model)

    async def decode(
        self, spec: ModelSpec, embedding: HeldEmbedding, slots: PromptSlots, selection: MaskSelection, *, call: Call
    ) -> DecodedMasks:
        """See InferenceBackend."""
        with self._observed(spec.name, "decode"):
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
        self._metrics.together.observe(len(rows))
        with self._observed(spec.name, "decode_many"):
            return await self._inner.decode_many(spec, embedding, rows, selection, call=call)

    @contextmanager
    def _observed(self, model: str, stage: str) -> Iterator[None]:
        started = perf_counter()
        try:
            with self._metrics.in_flight.labels(stage).track_inprogress():
                yield
        except MaskgateError as error:
            self._metrics.errors.labels(model, stage, error.reason).inc()
            raise
        self._metrics.seconds.labels(model, stage).observe(perf_counter() - started)
