"""By which names a gateway without keys can be asked over HTTP."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from maskgate.domain.url import AllowedHosts
from tests import pictures
from tests.unit.transport.conversations import PATIENCE, refusable_conversation
from tests.unit.transport.skins import open_rest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.unit.transport.skins import RestSkin
    from tests.unit.transport.world import World

KNOWN = [
    "127.0.0.1:8080",
    "localhost",
    "LocalHost:8080",
    "[::1]:8080",
    "10.0.0.7",
    "gateway.example.com",
    "a.example.org",
]
UNKNOWN = [
    "page.example.net:8080",
    "localhost.example.net",
    "127.0.0.1.example.net",
    "gateway.example.com.example.net",
    "example.org",
    "127.0.0.1@example.net",
    "[localhost]",
    "",
]


@pytest.fixture
def guarded(world: World) -> World:
    return replace(world, hosts=AllowedHosts(("gateway.example.com", "*.example.org")))


@pytest.fixture
async def rest(guarded: World) -> AsyncIterator[RestSkin]:
    async with open_rest(guarded) as opened:
        yield opened


@pytest.mark.parametrize("host", KNOWN)
async def test_addresses_and_names_that_are_allowed(rest: RestSkin, host: str) -> None:
    """An address leads nowhere else, and a name that an operator has written down is the gateway's own."""
    response = await rest.client.get("/v1/models", headers={"Host": host})

    assert 200 == response.status_code


@pytest.mark.parametrize("host", UNKNOWN)
async def test_a_page_whose_name_leads_here_cannot_ask(rest: RestSkin, guarded: World, host: str) -> None:
    """A request by any other name is refused before anything of it is read; it says which one it was."""
    response = await rest.client.post("/v1/images", content=pictures.png(), headers={"Host": host})

    error = response.json()["error"]
    assert (400, "UNKNOWN_HOST", {"host": host}) == (response.status_code, error["reason"], error["metadata"])
    assert 0 == guarded.store.puts


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
async def test_probes_ask_by_any_name(rest: RestSkin, path: str) -> None:
    """What names no image stays open to whoever watches the gateway."""
    response = await rest.client.get(path, headers={"Host": "gateway.monitoring.svc"})

    assert "UNKNOWN_HOST" not in response.text
    assert response.status_code in (200, 503)


@pytest.mark.parametrize(("host", "answer"), [("localhost:8080", "accept"), ("page.example.net:8080", "close")])
async def test_websockets_are_asked_alike(guarded: World, host: str, answer: str) -> None:
    """A page whose name leads here is of the same origin as a WebSocket of that name, so its name has to be known."""
    conversation = refusable_conversation(guarded, {"host": host, "origin": f"http://{host}"})

    message = await conversation.hear()
    await conversation.leave()
    await asyncio.wait_for(conversation.serving, PATIENCE)

    assert f"websocket.{answer}" == message["type"]


@pytest.mark.parametrize("host", [*KNOWN, *UNKNOWN])
async def test_elsewhere_names_do_not_matter(world: World, host: str) -> None:
    """A gateway that asks for keys can be asked by any name: no page has one."""
    async with open_rest(world) as rest:
        response = await rest.client.get("/v1/models", headers={"Host": host})

    assert 200 == response.status_code
