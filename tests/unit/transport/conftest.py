from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.transport import resources as resources_of
from tests.unit.transport.skins import SKINS, open_grpc, open_rest
from tests.unit.transport.world import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.unit.transport.resources import Resources
    from tests.unit.transport.skins import GrpcSkin, RestSkin, Skin


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(params=SKINS)
async def skin(request: pytest.FixtureRequest, world: World) -> AsyncIterator[Skin]:
    async with SKINS[request.param](world) as opened:
        yield opened


@pytest.fixture
def resources(skin: Skin) -> Resources:
    """The client of the fixture `skin`, with its other methods."""
    return resources_of.of(skin)


@pytest.fixture
async def rest(world: World) -> AsyncIterator[RestSkin]:
    async with open_rest(world) as opened:
        yield opened


@pytest.fixture
async def over_grpc(world: World) -> AsyncIterator[GrpcSkin]:
    async with open_grpc(world) as opened:
        yield opened
