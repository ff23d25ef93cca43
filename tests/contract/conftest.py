from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from maskgate.adapters.redis import RedisBounds, create_redis

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from redis.asyncio import Redis

    from maskgate.stack import EmbeddedStack

PATIENT = RedisBounds(connections=4, connect_timeout=5, timeout=5)
IMPATIENT = RedisBounds(connections=4, connect_timeout=0.2, timeout=0.2)


@asynccontextmanager
async def connected(url: str, bounds: RedisBounds = PATIENT) -> AsyncIterator[Redis]:
    redis = create_redis(url, bounds)
    try:
        yield redis
    finally:
        await redis.aclose()


@pytest.fixture
async def redis(valkey: EmbeddedStack) -> AsyncIterator[Redis]:
    """A client of the shared Valkey, empty."""
    async with connected(valkey.endpoints.redis) as client:
        await client.flushall()
        yield client


@pytest.fixture(params=["absent", "silent"])
async def broken_redis(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Redis]:
    """A client of a Redis that is not there, or that takes connections and never answers."""
    path = tmp_path / "r.sock"

    async def stay_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_unix_server(stay_silent, path) if request.param == "silent" else None
    async with connected(f"unix://{path}", IMPATIENT) as client:
        yield client
    if server is not None:
        server.close()
        await server.wait_closed()
