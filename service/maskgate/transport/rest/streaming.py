"""Answers that are told event by event while the work goes on."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from starlette.responses import Response

from maskgate.domain.errors import MaskgateError
from maskgate.transport import status
from maskgate.transport.rest.schemas.errors import ErrorDetail, ErrorResponse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from pydantic import BaseModel
    from starlette.types import Receive, Scope, Send

NDJSON = "application/x-ndjson"
"""A line of JSON for each event."""
SSE = "text/event-stream"
"""Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

_LAST_WORDS_SECONDS = 5.0


class ClientLeft(asyncio.CancelledError):
    """The client has gone, so nothing more is to be told."""


class Events:
    """The events of one answer, as they are written.

    Args:
        send: Where to.
        media_type: NDJSON or SSE.
    """

    def __init__(self, send: Send, media_type: str) -> None:
        self._send = send
        self._media_type = media_type
        self.started = False

    async def tell(self, name: str, event: BaseModel, *, id_: str = "") -> None:
        """Write an event; the first one begins the answer. Clients of SSE go on after its `id_`, if it has one."""
        await self._begin()
        line = event.model_dump_json()
        text = _server_sent(name, line, id_) if self._media_type == SSE else f"{line}\n"
        await self._send({"type": "http.response.body", "body": text.encode(), "more_body": True})

    async def fail(self, error: ErrorResponse) -> None:
        """Write an error as the last event, and end the answer."""
        await self.tell("error", error)
        await self.end()

    async def end(self) -> None:
        """End the answer."""
        await self._begin()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _begin(self) -> None:
        if self.started:
            return
        self.started = True
        headers = (
            (b"content-type", self._media_type.encode()),
            (b"cache-control", b"no-store"),
            (b"vary", b"Accept"),
        )
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})


def _server_sent(name: str, line: str, id_: str) -> str:
    """Write an event; one without an `id_` leaves the place from which clients go on as it is."""
    place = f"id: {id_}\n" if id_ else ""
    return f"event: {name}\ndata: {line}\n{place}\n"


class EventStream(Response):
    """An answer of events.

    An error before the first one is answered like any other; after it, it is the last event: the status was sent.
    """

    def __init__(self, serve: Callable[[Events], Awaitable[None]], *, media_type: str) -> None:
        super().__init__(media_type=media_type)
        self._serve = serve

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Serve."""
        events = Events(send, str(self.media_type))
        try:
            await self._serve(events)
        except ClientLeft:
            return
        except Exception as error:
            if not events.started:
                raise
            told = status.told(error) if isinstance(error, MaskgateError) else status.internal()
            await said_soon(events.fail(ErrorResponse(error=ErrorDetail.of(told))))
        else:
            await said_soon(events.end())


async def said_soon(last_words: Coroutine[None, None, None]) -> None:
    """Write the end of an answer, or give up and leave it without: the connection is then closed.

    The call is over, and with it its deadline: nothing else ends the wait for a client that is there and does not read.
    """
    with suppress(TimeoutError):
        await asyncio.wait_for(last_words, _LAST_WORDS_SECONDS)


async def while_listened_to(receive: Receive, work: Coroutine[None, None, None]) -> None:
    """Do some work until it ends, or the client leaves.

    Raises:
        ClientLeft: It did.
    """
    tasks = working, leaving = asyncio.create_task(work), asyncio.create_task(_left(receive))
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if leaving.done() and not working.done():
            raise ClientLeft
        await working
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
