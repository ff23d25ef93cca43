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
from maskgate.adapters.redis import RedisBounds, RedisEmbeddingCache, RedisImageStore, create_redis
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
    health: Health


@dataclass(frozen=True, slots=True)
class _Adapters:
    redis: Redis
    triton: TritonBackend
    l1: MemoryEmbeddingCache
    offload: ThreadOffload


@asynccontextmanager
async def open_gateway(settings: Settings) -> AsyncIterator[Gateway]:
    """Open a gateway; on leaving it is unready first, ends the calls under way, then closes what they needed.

    Raises:
        CannotListenError: An address is taken, or is not this machine's.
    """
    let_our_limits_decide()
    registry, health = CollectorRegistry(), Health()
    ProcessCollector(registry=registry)
    metrics = Metrics(registry)
    async with AsyncExitStack() as stack:
        adapters = await _open_adapters(settings, stack)
        metrics.cache.bytes.set_function(lambda: adapters.l1.size_bytes)
        usecases = _create_usecases(settings, adapters, metrics, stack)
        observer = CallObserver(metrics.calls, max_seconds=settings.request_timeout_seconds)
        app = create_app(
            usecases, observer=observer, health=health, registry=registry, max_upload_bytes=settings.max_upload_bytes
        )
        grpc_port = await _open_grpc(settings, usecases, observer=observer, health=health, stack=stack)
        http_port = await _open_http(settings, app, stack)
        await stack.enter_async_context(_watched(settings, adapters, health=health, metrics=metrics))
        stack.push_async_callback(health.stop)
        yield Gateway(grpc_port, http_port, health)


async def _open_adapters(settings: Settings, stack: AsyncExitStack) -> _Adapters:
    bounds = RedisBounds(
        settings.redis_connections, settings.redis_connect_timeout_seconds, settings.redis_timeout_seconds
    )
    redis = create_redis(settings.redis_url, bounds)
    stack.push_async_callback(redis.aclose)
    triton = TritonBackend(
        settings.triton_url,
        models=settings.models,
        bounds=TritonBounds(
            describe=settings.describe_timeout_seconds,
            encode=settings.encode_timeout_seconds,
            decode=settings.decode_timeout_seconds,
            spec_ttl=settings.spec_ttl_seconds,
        ),
    )
    stack.push_async_callback(triton.close)
    offload = ThreadOffload(threads=settings.threads)
    stack.callback(offload.close)
    return _Adapters(redis, triton, MemoryEmbeddingCache(max_bytes=settings.embedding_memory_bytes), offload)


def _create_usecases(settings: Settings, adapters: _Adapters, metrics: Metrics, stack: AsyncExitStack) -> UseCases:
    limits = ImageLimits(
        max_bytes=settings.max_upload_bytes, max_pixels=settings.max_image_pixels, max_side=settings.max_image_side
    )
    offload, redis = adapters.offload, adapters.redis
    backend = InstrumentedBackend(adapters.triton, metrics=metrics.inference)
    decoder = PillowImageDecoder(limits=limits, offload=offload)
    store = NearImageStore(
        RedisImageStore(redis, ttl=settings.image_ttl_seconds), max_bytes=settings.image_memory_bytes
    )
    caches = EmbeddingCaches(
        l1=InstrumentedCache(adapters.l1, tier="l1", metrics=metrics.cache),
        l2=InstrumentedCache(
            RedisEmbeddingCache(redis, ttl=settings.embedding_ttl_seconds), tier="l2", metrics=metrics.cache
        ),
    )
    embed = EmbedImage(
        caches=caches,
        store=store,
        decoder=decoder,
        backend=backend,
        admission=Admission(
            tier="image encoder", concurrency=settings.encode_concurrency, waiting=settings.encode_waiting
        ),
    )
    stack.push_async_callback(embed.drain)
    segment = Segment(
        embed=embed,
        backend=backend,
        admission=Admission(
            tier="mask decoder", concurrency=settings.decode_concurrency, waiting=settings.decode_waiting
        ),
        offload=offload,
        default_model=settings.models[0],
    )
    upload = UploadImage(store=store, decoder=decoder, limits=limits, offload=offload)
    return UseCases(upload, GetImage(store=store), segment, offload, PillowMaskEncoder())


async def _open_grpc(
    settings: Settings, usecases: UseCases, *, observer: CallObserver, health: Health, stack: AsyncExitStack
) -> int:
    bounds = GrpcBounds(
        max_message_bytes=2 * settings.max_upload_bytes,  # room to refuse a large upload with our own reason
        max_concurrent_calls=settings.max_concurrent_calls,
    )
    server = await create_server(usecases, observer=observer, health_state=health, bounds=bounds)
    try:
        port = server.add_insecure_port(f"{_bracketed(settings.host)}:{settings.grpc_port}")
    except RuntimeError as error:
        raise CannotListenError(settings.host, settings.grpc_port, option="--grpc-port") from error
    await server.start()
    stack.push_async_callback(server.stop, settings.drain_seconds)
    return port


async def _open_http(settings: Settings, app: FastAPI, stack: AsyncExitStack) -> int:
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        listener = stack.enter_context(socket.create_server((settings.host, settings.http_port), family=family))
    except OSError as error:
        raise CannotListenError(settings.host, settings.http_port, option="--http-port") from error
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        limit_concurrency=settings.max_concurrent_calls,
        timeout_graceful_shutdown=int(settings.drain_seconds),
    )
    server = _EmbeddedServer(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="http")

    async def stop() -> None:
        server.should_exit = True
        await serving

    stack.push_async_callback(stop)
    port: int = listener.getsockname()[1]
    return port


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


class _EmbeddedServer(uvicorn.Server):
    """Leaves signals alone: the gateway as a whole handles them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def _watched(settings: Settings, adapters: _Adapters, *, health: Health, metrics: Metrics) -> AsyncIterator[None]:
    probes = (
        Probe("triton", required=True, ping=adapters.triton.ping),
        Probe("redis", required=False, ping=partial(redis_adapter.ping, adapters.redis)),
    )
    watching = asyncio.create_task(
        watch(health, probes, interval=settings.probe_interval_seconds, gauge=metrics.component_up), name="health"
    )
    try:
        yield
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
