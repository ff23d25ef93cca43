"""The REST app → a server of HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass
from math import ceil
from time import monotonic
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from maskgate.bootstrap.ports import listen
from maskgate.transport.rest.farewell import CONNECTED_AT
from maskgate.transport.rest.limits import MOST_JSON_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.types import ASGIApp
    from uvicorn.server import ServerState

    from maskgate.bootstrap.tls import Tls
    from maskgate.settings import Settings


@dataclass(frozen=True, slots=True)
class Http:
    """A server that listens."""

    server: uvicorn.Server
    port: int

    def stop(self, *, within: float) -> None:
        """Have calls under way end in so many seconds, of which uvicorn counts whole ones."""
        self.server.config.timeout_graceful_shutdown = ceil(within)
        self.server.should_exit = True


@asynccontextmanager
async def open_http(settings: Settings, app: ASGIApp, *, tls: Tls | None) -> AsyncIterator[Http]:
    """Serve an app; on leaving, calls under way get time to end. Raises CannotListenError."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        http=_DatedProtocol,
        ws="websockets-sansio",
        ws_max_size=MOST_JSON_BYTES,
        ws_per_message_deflate=False,  # masks are compressed already
        timeout_keep_alive=settings.http_keep_alive_seconds,
        timeout_graceful_shutdown=int(settings.drain_seconds),
        **(tls.http if tls else {}),
    )
    server = _EmbeddedServer(config)
    with open_http_listener(settings) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]), name="http")
        try:
            yield Http(server, listener.getsockname()[1])
        finally:
            server.should_exit = True
            await serving


def open_http_listener(settings: Settings) -> socket.socket:
    """Listen for REST. Raises CannotListenError."""
    listener = listen(settings.host, settings.http_port, option="--http-port", shared=settings.workers > 1)
    # Its connections inherit it. asyncio sets it on those of listeners of its own; without, the body of an answer waits
    # for the client to acknowledge its head, which on Linux takes 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


class _DatedProtocol(H11Protocol):
    """Tells each request since when its connection is open."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, {**app_state, CONNECTED_AT: monotonic()}, _loop)


class _EmbeddedServer(uvicorn.Server):
    """Leaves signals alone: the gateway as a whole handles them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
