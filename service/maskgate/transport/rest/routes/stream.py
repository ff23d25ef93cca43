"""Prompts at the rate of a mouse, over a WebSocket: a browser has no streams of gRPC in both directions."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from maskgate.domain.errors import InvalidRequest, MaskgateError
from maskgate.transport import status
from maskgate.transport.calls import Envelope
from maskgate.transport.rest.routes.requests import PROTOCOL
from maskgate.transport.rest.schemas.stream import SegmentStreamRequest, SegmentStreamResponse, StreamEnd
from maskgate.transport.rest.streaming import said_soon
from maskgate.transport.streams import METHOD

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.datastructures import Headers

    from maskgate.domain.call import Call
    from maskgate.domain.stream import StreamPrompt, StreamTarget
    from maskgate.transport.calls import CallObserver
    from maskgate.transport.streams import Streams

STREAM_PATH = "/v1/stream"
_CLOSE_CODES = 4000
"""Added to the HTTP status of an error: codes from here on are the application's (RFC 6455, section 7.4.2)."""


def create_router(streams: Streams, *, observer: CallObserver) -> APIRouter:
    """Create the route of streams."""
    router = APIRouter()

    @router.websocket(STREAM_PATH)
    async def segment_stream(websocket: WebSocket) -> None:
        """Answer prompts; an error that ends the stream is its last message."""
        if not is_same_origin(websocket.headers):
            await websocket.close()  # before it is accepted that is a 403
            return
        await websocket.accept()
        asked = Envelope.of(websocket.headers)
        try:
            async with observer.call(PROTOCOL, METHOD, asked) as call:
                await _Client(websocket).answer(streams, call)
        except MaskgateError as error:
            await said_soon(_end(websocket, status.told(error)))
        except Exception:  # noqa: BLE001 - the outermost handler; the observer has logged it
            await said_soon(_end(websocket, status.internal()))

    return router


def is_same_origin(headers: Headers) -> bool:
    """Whether a page may connect: pages of other sites may not, and no browser stops them as it does with requests.

    Clients that are no browsers send no Origin.
    """
    origin = headers.get("origin")
    return origin is None or _site(origin) == headers.get("host", "").lower()


def _site(origin: str) -> str | None:
    """Return the host and port of an origin, None where it is no URL."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:  # such as a bracket that nothing closes
        return None


class _Client:
    """A client at a WebSocket; when it goes, answering ends where it is."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._gone = False

    async def answer(self, streams: Streams, call: Call) -> None:
        answering = asyncio.current_task()
        try:
            async with aclosing(streams.answers(self._messages(answering), call=call)) as answers:
                async for answer in answers:
                    await self._websocket.send_text(SegmentStreamResponse.of(answer).model_dump_json())
        except WebSocketDisconnect:
            return
        except asyncio.CancelledError:
            if not self._gone:
                raise

    async def _messages(self, answering: asyncio.Task[None] | None) -> AsyncIterator[StreamTarget | StreamPrompt]:
        while (text := await self._received()) is not None:
            yield SegmentStreamRequest.read(text.encode()).to_domain()
        self._gone = True
        if answering is not None:
            answering.cancel()

    async def _received(self) -> str | None:
        """Return the next message, None when the client has gone."""
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            return None
        text: str | None = message.get("text")
        if text is None:
            raise InvalidRequest("Messages of a stream are JSON, sent as text.")
        return text


async def _end(websocket: WebSocket, told: status.Told) -> None:
    try:
        await websocket.send_text(StreamEnd.of(told).model_dump_json())
        await websocket.close(_CLOSE_CODES + status.HTTP_STATUS[told.code], told.reason)
    except (WebSocketDisconnect, RuntimeError):  # the client was faster
        return
