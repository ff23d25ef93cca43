"""HTTP/1.1 has no GOAWAY: a connection ends with an answer that says so, and its client opens another one."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from maskgate.transport.health import Health

CONNECTED_AT: Final = "connected_at"
"""Where a request's state says since when its connection is open, by `time.monotonic`."""

_CLOSE = (b"connection", b"close")


class Farewell:
    """Ends connections with their next answer once they are old, and all of them while the gateway is stopping.

    Args:
        app: What answers.
        health: Says whether the gateway is stopping.
        age_seconds: How old connections get; 0: as old as they like.
        clock: Tells seconds.
    """

    def __init__(
        self, app: ASGIApp, *, health: Health, age_seconds: float, clock: Callable[[], float] = monotonic
    ) -> None:
        self._app = app
        self._health = health
        self._age_seconds = age_seconds
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; a WebSocket lives as long as its stream."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start" and self._is_over(scope):
                message = {**message, "headers": [*message.get("headers", ()), _CLOSE]}
            await send(message)

        await self._app(scope, receive, sent)

    def _is_over(self, scope: Scope) -> bool:
        return self._health.stopping or self._is_old(scope)

    def _is_old(self, scope: Scope) -> bool:
        connected_at: float = scope["state"][CONNECTED_AT]
        return 0 < self._age_seconds < self._clock() - connected_at
