"""A gateway over fakes, with a client of it in the same event loop."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from maskgate.client import AsyncClient
from maskgate.transport.grpc.server import create_server
from tests.unit.transport.skins import BOUNDS
from tests.unit.transport.world import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import grpc


@dataclass(frozen=True)
class Served:
    """A gateway that can be asked."""

    world: World
    address: str


@asynccontextmanager
async def serving(world: World, credentials: grpc.ServerCredentials | None = None) -> AsyncIterator[Served]:
    server = await create_server(
        world.usecases, streams=world.streams, observer=world.observer, health_state=world.health, bounds=BOUNDS
    )
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    try:
        yield Served(world, f"127.0.0.1:{port}")
    finally:
        await server.stop(grace=None)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def served(world: World) -> AsyncIterator[Served]:
    async with serving(world) as opened:
        yield opened


@pytest.fixture
async def client(served: Served) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(served.address, attempts=1) as opened:
        yield opened
