from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.responses import PlainTextResponse

from maskgate.transport.health import Health
from maskgate.transport.rest.farewell import CONNECTED_AT, Farewell

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

NOW = 1000.0


async def answer_after(age: float, *, limit: float) -> str | None:
    """What an answer says of its connection, which is so old."""

    async def connected(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = {CONNECTED_AT: NOW - age}
        await farewell(scope, receive, send)

    farewell = Farewell(PlainTextResponse("ok"), health=Health(), age_seconds=limit, clock=lambda: NOW)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(connected), base_url="http://gateway") as client:
        answer: str | None = (await client.get("/")).headers.get("connection")
        return answer


@pytest.mark.parametrize(
    ("expected", "age", "limit"),
    [(None, 9.9, 10), ("close", 10.1, 10), (None, 1e9, 0)],
    ids=["young", "old", "no limit"],
)
async def test_old_connections_are_ended(expected: str | None, age: float, limit: float) -> None:
    """An answer on a connection that is too old says that it is the last; without a limit none is."""
    assert expected == await answer_after(age, limit=limit)


async def test_websockets_are_left_alone() -> None:
    """A WebSocket is no answer: it lives as long as its stream."""
    passed: list[Any] = []

    async def app(*given: object) -> None:
        passed.append(given)

    asked: tuple[Any, Any, Any] = ({"type": "websocket"}, object(), object())
    await Farewell(app, health=Health(), age_seconds=1)(*asked)

    assert [asked] == passed
