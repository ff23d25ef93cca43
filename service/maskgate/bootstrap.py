"""The composition root: settings → adapters → use cases → transports, and in reverse on the way out."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import uvicorn
from prometheus_client import CollectorRegistry, ProcessCollector

from maskgate.adapters import redis as redis_adapter
from maskgate.adapters.instrumented import InstrumentedBackend, InstrumentedCache
from maskgate.adapters.memory import MemoryEmbeddingCache
from maskgate.adapters.near import NearImageStore
from maskgate.adapters.pillow import PillowImageDecoder, PillowMaskEncoder, let_our_limits_decide
from maskgate.adapters.redis import Breaker, RedisBounds, RedisEmbeddingCache, RedisImageStore, create_redis
from maskgate.adapters.threads import ThreadOffload
from maskgate.adapters.triton import TritonBackend, TritonBounds
from maskgate.domain.image import ImageLimits
from maskgate.telemetry import Metrics
from maskgate.transport.calls import CallObserver
from maskgate.transport.grpc.server import GrpcBounds, create_server
from maskgate.transport.health import Health, Probe, watch
from maskgate.transport.rest.app import create_app
from maskgate.transport.usecases import UseCases
from maskgate.usecases.admission import Admission
from maskgate.usecases.embed_image import EmbeddingCaches, EmbedImage
from maskgate.usecases.get_image import GetImage
from maskgate.usecases.segment import Segment
from maskgate.usecases.upload_image import UploadImage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    import grpc
    from fastapi import FastAPI
    from redis.asyncio import Redis

    from maskgate.settings import Settings


class CannotListenError(Exception):
    """An address that the gateway was told to listen on is taken, or is not this machine's."""

    def __init__(self, host: str, port: int, *, option: str) -> None:
        super().__init__(f"cannot listen on {host} port {port}: is it in use? Choose another with {option}.")


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway that listens. The ports are those that it got, where the settings left them open."""

    grpc_port: int
    http_port: int


@dataclass(frozen=True, slots=True)
class _Adapters:
    redis: Redis
    breaker: Breaker
    triton: TritonBackend
    l1: MemoryEmbeddingCache
    offload: ThreadOffload


@dataclass(frozen=True, slots=True)
class _Watchers:
    registry: CollectorRegistry
    metrics: Metrics
    health: Health


@asynccontextmanager
async def open_gateway(settings: Settings) -> AsyncIterator[Gateway]:
    """Open a gateway; on leaving it is unready first, ends the calls under way, then closes what they needed.

    Raises:
        CannotListenError: An address is taken, or is not this machine's.
    """
    let_our_limits_decide()
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    watchers = _Watchers(registry, Metrics(registry), Health())
    async with (
        _adapters(settings) as adapters,
        _usecases(settings, adapters, watchers.metrics) as usecases,
        _servers(settings, usecases, watchers) as gateway,
        _watched(settings, adapters, watchers),
    ):
        yield gateway


@asynccontextmanager
async def _adapters(settings: Settings) -> AsyncIterator[_Adapters]:
    bounds = RedisBounds(
        settings.redis_connections, settings.redis_connect_timeout_seconds, settings.redis_timeout_seconds
    )
    triton_bounds = TritonBounds(
        describe=settings.describe_timeout_seconds,
        encode=settings.encode_timeout_seconds,
        decode=settings.decode_timeout_seconds,
        spec_ttl=settings.spec_ttl_seconds,
    )
    async with AsyncExitStack() as stack:
        redis = create_redis(settings.redis_url, bounds)
        stack.push_async_callback(redis.aclose)
        triton = TritonBackend(settings.triton_url, models=settings.models, bounds=triton_bounds)
        stack.push_async_callback(triton.close)
        offload = ThreadOffload(threads=settings.threads)
        stack.callback(offload.close)
        l1 = MemoryEmbeddingCache(max_bytes=settings.embedding_memory_bytes)
        yield _Adapters(redis, Breaker(), triton, l1, offload)


@asynccontextmanager
async def _usecases(settings: Settings, adapters: _Adapters, metrics: Metrics) -> AsyncIterator[UseCases]:
    limits = ImageLimits(
        max_bytes=settings.max_upload_bytes, max_pixels=settings.max_image_pixels, max_side=settings.max_image_side
    )
    offload = adapters.offload
    backend = InstrumentedBackend(adapters.triton, metrics=metrics.inference)
    decoder = PillowImageDecoder(limits=limits, offload=offload)
    store = _image_store(settings, adapters)
    embed = EmbedImage(
        caches=_embedding_caches(settings, adapters, metrics),
        store=store,
        decoder=decoder,
        backend=backend,
        admission=Admission(
            tier="image encoder", concurrency=settings.encode_concurrency, waiting=settings.encode_waiting
        ),
    )
    segment = Segment(
        embed=embed,
        backend=backend,
        admission=Admission(
            tier="mask decoder", concurrency=settings.decode_concurrency, waiting=settings.decode_waiting
        ),
        offload=offload,
        default_model=settings.models[0],
    )
    upload = UploadImage(
        store=store,
        decoder=decoder,
        limits=limits,
        admission=Admission(
            tier="image store", concurrency=settings.upload_concurrency, waiting=settings.upload_waiting
        ),
        offload=offload,
    )
    try:
        yield UseCases(upload, GetImage(store=store), segment, offload, PillowMaskEncoder())
    finally:
        with contextlib.suppress(TimeoutError):  # an encode that takes longer than a drain is made again elsewhere
            await asyncio.wait_for(embed.drain(), settings.drain_seconds)


def _image_store(settings: Settings, adapters: _Adapters) -> NearImageStore:
    shared = RedisImageStore(adapters.redis, ttl=settings.image_ttl_seconds, breaker=adapters.breaker)
    return NearImageStore(shared, max_bytes=settings.image_memory_bytes)


def _embedding_caches(settings: Settings, adapters: _Adapters, metrics: Metrics) -> EmbeddingCaches:
    metrics.cache.bytes.set_function(lambda: adapters.l1.size_bytes)
    shared = RedisEmbeddingCache(adapters.redis, ttl=settings.embedding_ttl_seconds, breaker=adapters.breaker)
    return EmbeddingCaches(
        l1=InstrumentedCache(adapters.l1, tier="l1", metrics=metrics.cache),
        l2=InstrumentedCache(shared, tier="l2", metrics=metrics.cache),
    )


@asynccontextmanager
async def _servers(settings: Settings, usecases: UseCases, watchers: _Watchers) -> AsyncIterator[Gateway]:
    """Serve both protocols; both stop taking calls at once, and share the time to end those under way."""
    observer = CallObserver(
        watchers.metrics.calls,
        max_seconds=settings.request_timeout_seconds,
        max_calls=settings.max_concurrent_calls,
    )
    grpc_server, grpc_port = await _start_grpc(settings, usecases, observer=observer, health=watchers.health)
    app = create_app(
        usecases,
        observer=observer,
        health=watchers.health,
        registry=watchers.registry,
        max_upload_bytes=settings.max_upload_bytes,
    )
    try:
        async with _http(settings, app) as http:
            yield Gateway(grpc_port, http.port)
            await watchers.health.stop()
            http.server.should_exit = True
            await grpc_server.stop(settings.drain_seconds)
    finally:
        await grpc_server.stop(0)


async def _start_grpc(
    settings: Settings, usecases: UseCases, *, observer: CallObserver, health: Health
) -> tuple[grpc.aio.Server, int]:
    bounds = GrpcBounds(
        max_message_bytes=2 * settings.max_upload_bytes,  # room to refuse a large upload with our own reason
        max_concurrent_calls=settings.max_concurrent_calls,
    )
    server = await create_server(usecases, observer=observer, health_state=health, bounds=bounds)
    try:
        port = server.add_insecure_port(authority(settings.host, settings.grpc_port))
    except RuntimeError as error:
        raise CannotListenError(settings.host, settings.grpc_port, option="--grpc-port") from error
    await server.start()
    return server, port


@dataclass(frozen=True, slots=True)
class _Http:
    server: uvicorn.Server
    port: int


@asynccontextmanager
async def _http(settings: Settings, app: FastAPI) -> AsyncIterator[_Http]:
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=int(settings.drain_seconds),
    )
    server = _EmbeddedServer(config)
    with _listener(settings) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]), name="http")
        try:
            yield _Http(server, listener.getsockname()[1])
        finally:
            server.should_exit = True
            await serving


def _listener(settings: Settings) -> socket.socket:
    v6 = ":" in settings.host
    try:
        return socket.create_server(
            (settings.host, settings.http_port),
            family=socket.AF_INET6 if v6 else socket.AF_INET,
            dualstack_ipv6=settings.host == "::",  # as gRPC does
        )
    except OSError as error:
        raise CannotListenError(settings.host, settings.http_port, option="--http-port") from error


def authority(host: str, port: int) -> str:
    """Write an address as in a URL: an IPv6 one in brackets (RFC 3986, section 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class _EmbeddedServer(uvicorn.Server):
    """Leaves signals alone: the gateway as a whole handles them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def _watched(settings: Settings, adapters: _Adapters, watchers: _Watchers) -> AsyncIterator[None]:
    probes = (
        Probe("triton", required=True, ping=adapters.triton.ping),
        Probe("redis", required=False, ping=partial(redis_adapter.ping, adapters.redis, adapters.breaker)),
    )
    gauge, interval = watchers.metrics.component_up, settings.probe_interval_seconds
    watching = asyncio.create_task(watch(watchers.health, probes, interval=interval, gauge=gauge), name="health")
    try:
        yield
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
