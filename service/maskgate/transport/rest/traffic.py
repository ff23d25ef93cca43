"""Bytes of the contract's bodies and WebSocket messages are counted; probes and metrics are nobody's traffic."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from maskgate.transport.calls import Traffic

CONTRACT = "/v1/"
"""What paths of the contract begin with; all others are for operators and readers."""


class CountedTraffic:
    """Counts what is read and what is written, as it happens."""

    def __init__(self, app: ASGIApp, *, traffic: Traffic) -> None:
        self._app = app
        self._traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, with its bytes counted."""
        if not scope.get("path", "").startswith(CONTRACT):
            await self._app(scope, receive, send)
            return

        async def received() -> Message:
            message = await receive()
            self._traffic.received.inc(_size_of(message))
            return message

        async def sent(message: Message) -> None:
            self._traffic.sent.inc(_size_of(message))
            await send(message)

        await self._app(scope, received, sent)


def _size_of(message: Message) -> int:
    """Measure what a message carries: a piece of a body, or a message of a WebSocket, bytes or text."""
    text = message.get("text")
    return len(text.encode()) if text else len(message.get("body") or message.get("bytes") or b"")
