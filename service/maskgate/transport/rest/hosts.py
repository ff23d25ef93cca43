"""The names that a gateway without keys may be asked by, so that pages of other sites cannot ask it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from maskgate.domain.address import host_of, is_ip
from maskgate.domain.errors import UnknownHost
from maskgate.transport.rest.errors import answer_to
from maskgate.transport.rest.traffic import CONTRACT

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from maskgate.domain.url import AllowedHosts


class KnownHosts:
    """Refuses requests of the contract whose `Host` is neither an address, nor `localhost`, nor a name that is allowed.

    A page may have its own name lead to 127.0.0.1 (DNS rebinding): to the browser the gateway is then the page's own
    server, whose answers it may read. But the browser still says by which name it asks.
    """

    def __init__(self, app: ASGIApp, *, allowed: AllowedHosts) -> None:
        self._app = app
        self._allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request or WebSocket on, or refuse it before anything of it is read."""
        asked = Headers(scope=scope).get("host", "")
        if not scope["path"].startswith(CONTRACT) or self._knows(host_of(asked)):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close"})  # before it is accepted that is a 403
        else:
            await answer_to(_unknown(asked))(scope, receive, send)

    def _knows(self, host: str) -> bool:
        return is_ip(host) or host == "localhost" or host in self._allowed


def _unknown(asked: str) -> UnknownHost:
    return UnknownHost(
        f"This gateway is not known as {asked!r}: ask it by its address, or have MASKGATE_HTTP_HOSTS name it.",
        host=asked,
    )
