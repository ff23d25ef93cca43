"""Settings → adapters: what stands behind each port in production."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from maskgate.adapters import redis as redis_adapter
from maskgate.adapters.admissions import CountedAdmissions, CountedEmbeddings
from maskgate.adapters.https import HttpsImageFetcher
from maskgate.adapters.instrumented import (
    InstrumentedBackend,
    InstrumentedCache,
    InstrumentedFetcher,
    InstrumentedLocks,
    InstrumentedShelf,
)
from maskgate.adapters.near import NearImageStore
from maskgate.adapters.on_demand import EncodersOnDemand
from maskgate.adapters.pillow import (
    PillowImageDecoder,
    PillowMaskEncoder,
    PillowMaskReader,
    let_our_limits_decide,
    warn_of_no_damage,
)
from maskgate.adapters.redis import (
    Breaker,
    RedisBounds,
    RedisDeletions,
    RedisEmbeddingCache,
    RedisEncodeLocks,
    RedisGenerationNotes,
    RedisImageStore,
    RedisMaskShelf,
    create_redis,
)
from maskgate.adapters.threads import HeldOffload, ThreadOffload
from maskgate.adapters.timed import TimedDecoder, TimedOffload
from maskgate.adapters.triton import CountedTriton, TritonBackend, TritonBounds
from maskgate.bootstrap.masks import open_masks
from maskgate.bootstrap.shelf import open_shelf
from maskgate.bootstrap.tenants import create_tenants
from maskgate.bootstrap.usecases import Ports, image_limits
from maskgate.domain.embedding import EmbeddingStorage
from maskgate.domain.url import AllowedHosts
from maskgate.transport.health import Probe
from maskgate.usecases.embed_image import EmbeddingTiers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from redis.asyncio import Redis

    from maskgate.adapters.triton.regions import Region
    from maskgate.bootstrap.tracing import Tracing
    from maskgate.ports import EmbeddingShelf, InferenceBackend
    from maskgate.settings import Settings
    from maskgate.telemetry import Metrics


@dataclass(frozen=True, slots=True)
class Adapters:
    """What the use cases need, and how each component behind it is asked whether it is up."""

    ports: Ports
    probes: tuple[Probe, ...]


@dataclass(frozen=True, slots=True)
class _Redis:
    """What everything that is kept in Redis has in common."""

    client: Redis
    breaker: Breaker
    offload: ThreadOffload


@dataclass(frozen=True, slots=True)
class _Watching:
    """What looks at the adapters."""

    metrics: Metrics
    tracing: Tracing


@asynccontextmanager
async def open_adapters(settings: Settings, metrics: Metrics, tracing: Tracing) -> AsyncIterator[Adapters]:
    """Open the adapters; nothing is connected before it is used. Raises CannotServeError."""
    let_our_limits_decide()
    warn_of_no_damage()
    async with AsyncExitStack() as stack:
        shelf = stack.enter_context(open_shelf(settings, metrics))
        triton = _create_triton(settings, shelf.region, metrics, tracing)
        stack.push_async_callback(triton.close)
        offload = ThreadOffload(threads=settings.threads)
        stack.callback(offload.close)
        apart = ThreadOffload(threads=settings.generation_concurrency)
        stack.callback(apart.close)
        generating = HeldOffload(apart)
        redis = _Redis(_create_redis(settings), Breaker(), offload)
        stack.push_async_callback(redis.client.aclose)
        masks = open_masks(settings, tracing.masks(_create_masks(settings, redis)), metrics.masks)
        store = _create_store(settings, redis, tracing)
        ports = Ports(
            tiers=_create_tiers(settings, redis, _Watching(metrics, tracing), shelf=shelf.embeddings),
            store=store,
            copies=store,
            deletions=RedisDeletions(redis.client, breaker=redis.breaker),
            fetcher=InstrumentedFetcher(_create_fetcher(settings), fetches=metrics.images.fetches),
            decoder=TimedDecoder(
                tracing.decoder(PillowImageDecoder(limits=image_limits(settings), offload=offload)),
                seconds=metrics.images.seconds,
            ),
            backend=InstrumentedBackend(
                tracing.backend(_on_demand(settings, triton)), models=settings.models, metrics=metrics.inference
            ),
            offload=offload,
            rendering=TimedOffload(tracing.offload(offload, name="postprocess"), seconds=metrics.renders.seconds),
            generating=generating,
            finishing=TimedOffload(generating, seconds=metrics.renders.seconds),
            mask_encoder=PillowMaskEncoder(),
            mask_reader=PillowMaskReader(),
            notes=RedisGenerationNotes(redis.client, ttl=settings.generation_ttl_seconds, breaker=redis.breaker),
            masks=await stack.enter_async_context(masks),
            admissions=CountedAdmissions(metrics.admissions),
            embeddings=CountedEmbeddings(metrics.embeddings),
            places=shelf.places,
            tenants=create_tenants(settings, redis.client, redis.breaker, metrics.tenants),
        )
        yield Adapters(ports, tuple(_probes(settings, triton, redis)))


def _probes(settings: Settings, triton: TritonBackend, redis: _Redis) -> Iterator[Probe]:
    yield Probe("triton", required=True, ping=triton.ping)
    if settings.encoder_url:
        yield Probe("encoder", required=False, ping=triton.ping_encoders)
    yield Probe("redis", required=False, ping=partial(redis_adapter.ping, redis.client, redis.breaker))


def _on_demand(settings: Settings, triton: TritonBackend) -> InferenceBackend:
    if not settings.encoder_start_seconds:
        return triton
    return EncodersOnDemand(triton, has_encoder=triton.has_encoder, start_seconds=settings.encoder_start_seconds)


def _create_redis(settings: Settings) -> Redis:
    bounds = RedisBounds(
        settings.redis_connections, settings.redis_connect_timeout_seconds, settings.redis_timeout_seconds
    )
    return create_redis(settings.redis_url, bounds)


def _create_triton(settings: Settings, region: Region | None, metrics: Metrics, tracing: Tracing) -> TritonBackend:
    bounds = TritonBounds(
        describe=settings.describe_timeout_seconds,
        encode=settings.encode_timeout_seconds,
        decode=settings.decode_timeout_seconds,
        decode_many=settings.decode_many_timeout_seconds,
        spec_ttl=settings.spec_ttl_seconds,
        retry_ratio=settings.retry_ratio,
    )
    watcher = CountedTriton(metrics.inference, metrics.slab)
    triton = TritonBackend(
        settings.triton_url.split(","),
        models=settings.models,
        bounds=bounds,
        encoder_urls=settings.encoder_url.split(",") if settings.encoder_url else (),
        region=region,
        watcher=watcher,
        handed_on=tracing.tracer.handed_on,
    )
    for model in settings.models:
        metrics.inference.mismatched.labels(model).set_function(partial(triton.mismatched, model))
    for number, endpoint in enumerate(triton.endpoints):
        in_flight = metrics.inference.endpoint_in_flight.labels(str(number))
        in_flight.set_function(partial(getattr, endpoint, "in_flight"))
    return triton


def _create_tiers(settings: Settings, redis: _Redis, watching: _Watching, *, shelf: EmbeddingShelf) -> EmbeddingTiers:
    metrics, tracing = watching.metrics, watching.tracing
    shared = RedisEmbeddingCache(
        redis.client,
        ttl=settings.embedding_ttl_seconds,
        breaker=redis.breaker,
        offload=redis.offload,
        storage=EmbeddingStorage(settings.embedding_storage),
    )
    locks = RedisEncodeLocks(
        redis.client,
        breaker=redis.breaker,
        lease=settings.encode_lease_seconds,
        patience=settings.encode_timeout_seconds,
    )
    return EmbeddingTiers(
        l1=InstrumentedShelf(shelf, tier="l1", metrics=metrics.cache),
        l2=InstrumentedCache(tracing.cache(shared), tier="l2", metrics=metrics.cache),
        locks=InstrumentedLocks(tracing.locks(locks), metrics=metrics.flights),
    )


def _create_fetcher(settings: Settings) -> HttpsImageFetcher:
    return HttpsImageFetcher(
        hosts=AllowedHosts(settings.image_url_hosts),
        limits=image_limits(settings),
        timeout=settings.image_url_timeout_seconds,
    )


def _create_masks(settings: Settings, redis: _Redis) -> RedisMaskShelf:
    return RedisMaskShelf(redis.client, ttl=settings.mask_ttl_seconds, breaker=redis.breaker, offload=redis.offload)


def _create_store(settings: Settings, redis: _Redis, tracing: Tracing) -> NearImageStore:
    longest = max(settings.image_ttl_seconds, settings.embedding_ttl_seconds)
    shared = RedisImageStore(
        redis.client,
        ttl=settings.image_ttl_seconds,
        breaker=redis.breaker,
        deletion_ttl=longest,
        grant_ttl=longest if settings.api_keys_file else 0,
    )
    return NearImageStore(tracing.store(shared), max_bytes=settings.image_memory_bytes)
