"""Use cases → servers of both protocols, and their end."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from maskgate.bootstrap.ports import CannotListenError
from maskgate.bootstrap.rest import Http, open_http
from maskgate.bootstrap.tls import read_tls
from maskgate.domain.call import Deadline
from maskgate.domain.url import AllowedHosts
from maskgate.transport.calls import CallObserver
from maskgate.transport.grpc.interceptor import PROTOCOL as GRPC
from maskgate.transport.grpc.server import GrpcBounds, create_server
from maskgate.transport.grpc.servicers import METHODS
from maskgate.transport.rest.app import RestBounds, create_app
from maskgate.transport.rest.farewell import Farewell
from maskgate.transport.rest.routes.requests import PROTOCOL as REST
from maskgate.transport.streams import METHOD, Streams

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import grpc

    from maskgate.bootstrap.tls import Tls
    from maskgate.settings import Settings
    from maskgate.telemetry import Metrics
    from maskgate.telemetry.tracing import Tracer
    from maskgate.transport.exposition import Exposition
    from maskgate.transport.health import Health
    from maskgate.transport.usecases import UseCases


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway that listens. The ports are those that it got, where the settings left them open."""

    grpc_port: int
    http_port: int


@dataclass(frozen=True, slots=True)
class Watchers:
    """What looks at the servers and their calls."""

    exposition: Exposition
    metrics: Metrics
    health: Health
    tracer: Tracer | None = None


@asynccontextmanager
async def open_servers(settings: Settings, usecases: UseCases, watchers: Watchers) -> AsyncIterator[Gateway]:
    """Serve both protocols.

    On leaving, balancers get time to notice, then streams are ended, and calls under way share the time to end.

    Raises:
        CannotServeError: An address or the files of TLS are of no use.
    """
    observer = CallObserver(
        watchers.metrics.calls,
        authenticate=usecases.authenticate_caller,
        charge=usecases.charge_tenant,
        max_seconds=settings.request_timeout_seconds,
        max_calls=settings.max_concurrent_calls,
        tracer=watchers.tracer,
        method_seconds={METHOD: inf, "GenerateMasks": settings.generation_timeout_seconds},
    )
    for protocol in (GRPC, REST):
        observer.expect(protocol, METHODS)
    streams = _create_streams(settings, usecases, watchers)
    tls = read_tls(settings)
    grpc_server = await create_server(
        usecases, streams=streams, observer=observer, health_state=watchers.health, bounds=_grpc_bounds(settings)
    )
    grpc_port = await _start_grpc(settings, grpc_server, tls)
    app = create_app(
        usecases,
        streams=streams,
        observer=observer,
        health=watchers.health,
        exposition=watchers.exposition,
        bounds=RestBounds(settings.max_upload_bytes, known_hosts(settings)),
    )
    try:
        farewell = Farewell(app, health=watchers.health, age_seconds=settings.connection_age_seconds)
        async with open_http(settings, farewell, tls=tls) as http:
            yield Gateway(grpc_port, http.port)
            await watchers.health.stop()
            await asyncio.sleep(settings.stop_delay_seconds)
            await asyncio.gather(
                grpc_server.stop(settings.drain_seconds), stop_http(http, streams, drain=settings.drain_seconds)
            )
    finally:
        await grpc_server.stop(0)


def _create_streams(settings: Settings, usecases: UseCases, watchers: Watchers) -> Streams:
    return Streams(
        usecases.segment_stream,
        metrics=watchers.metrics.streams,
        max_streams=settings.max_streams,
        idle_seconds=settings.stream_idle_seconds,
    )


def known_hosts(settings: Settings) -> AllowedHosts | None:
    """Return by which names REST may be asked, None: by any, as no page has a key, and where everybody may come."""
    if settings.api_keys_file or (settings.insecure and not settings.http_hosts):
        return None
    return AllowedHosts(settings.http_hosts)


async def stop_http(http: Http, streams: Streams, *, drain: float) -> None:
    """End streams first, those over gRPC too: uvicorn would cut WebSockets off. What they take calls do not get."""
    until = Deadline.after(drain)
    await streams.stop(within=drain)
    http.stop(within=max(0, until.remaining()))


def _grpc_bounds(settings: Settings) -> GrpcBounds:
    return GrpcBounds(
        max_message_bytes=2 * settings.max_upload_bytes,  # room to refuse a large upload with our own reason
        max_concurrent_calls=settings.max_concurrent_calls,
        connection_age_seconds=settings.connection_age_seconds,
        share_port=settings.workers > 1,
    )


async def _start_grpc(settings: Settings, server: grpc.aio.Server, tls: Tls | None) -> int:
    address = authority(settings.host, settings.grpc_port)
    try:
        port = server.add_secure_port(address, tls.grpc) if tls else server.add_insecure_port(address)
    except RuntimeError as error:
        raise CannotListenError(settings.host, settings.grpc_port, option="--grpc-port") from error
    await server.start()
    return port


def authority(host: str, port: int) -> str:
    """Write an address as in a URL: an IPv6 one in brackets (RFC 3986, section 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
