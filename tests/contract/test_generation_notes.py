"""What GenerationNotes promises, asked of the adapter, and of the fake that stands in for it elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from maskgate.adapters.redis import Breaker, RedisGenerationNotes
from maskgate.domain.errors import CacheUnavailable
from maskgate.domain.generation.candidates import Candidates
from tests.fakes import FakeNotes

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from maskgate.ports import GenerationNotes

TTL = 100
FOUND = Candidates.of([(0, 5, 2, 0.91, 0.97, (1, 2, 30, 40)), (0, 6, 3, 0.92, 0.95, (0, 0, 9, 9))])


@pytest.fixture(params=["fake", "redis"])
def notes(request: pytest.FixtureRequest) -> GenerationNotes:
    if request.param == "redis":
        return RedisGenerationNotes(request.getfixturevalue("redis"), ttl=TTL, breaker=Breaker())
    return FakeNotes()


async def test_what_is_noted_comes_back(notes: GenerationNotes) -> None:
    """Candidates come back as they were, each batch's for itself."""
    await notes.put("one", FOUND)
    await notes.put("two", Candidates.none())

    one, two, three = [await notes.get(batch) for batch in ("one", "two", "three")]

    assert one is not None
    np.testing.assert_array_equal(FOUND.records, one.records)
    assert two is not None
    assert not len(two)
    assert three is None


async def test_redis_forgets(redis: Redis) -> None:
    """Notes live for their time."""
    await RedisGenerationNotes(redis, ttl=TTL, breaker=Breaker()).put("one", FOUND)

    assert [TTL] == [await redis.ttl(name) for name in await redis.keys("*")]


async def test_damaged_notes_are_none(redis: Redis) -> None:
    """What cannot be read is decoded again."""
    notes = RedisGenerationNotes(redis, ttl=TTL, breaker=Breaker())
    await notes.put("one", FOUND)
    (name,) = await redis.keys("*")
    await redis.set(name, b"half of it")

    assert await notes.get("one") is None


async def test_a_broken_redis(broken_redis: Redis) -> None:
    """Nobody waits for long, and everybody is told."""
    notes = RedisGenerationNotes(broken_redis, ttl=TTL, breaker=Breaker())

    with pytest.raises(CacheUnavailable):
        await notes.get("one")
    with pytest.raises(CacheUnavailable):
        await notes.put("one", FOUND)
