"""What EncodeLocks promises, asked of Redis, and of the fake that stands in for it elsewhere."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from maskgate.adapters.redis import Breaker, RedisEmbeddingCache, RedisEncodeLocks
from maskgate.domain.embedding import Embedding, EmbeddingKey
from maskgate.domain.errors import CacheUnavailable
from maskgate.domain.image import ImageId, ImageSize
from tests.contract.conftest import connected
from tests.fakes import SPEC, FakeCache, FakeLocks, inline

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from maskgate.ports import EmbeddingCache, EncodeLocks, Lease
    from maskgate.stack import EmbeddedStack

KEY = EmbeddingKey.of(ImageId.of(b"photo"), SPEC)
EMBEDDING = Embedding(ImageSize(1, 1), b"\0\xff")
LEASE = 0.3
PATIENCE = 20.0


@dataclass(frozen=True)
class Gateways:
    """Two gateways, and the cache that they share."""

    one: EncodeLocks
    other: EncodeLocks
    cache: EmbeddingCache


def redis_locks(redis: Redis, *, patience: float = PATIENCE) -> RedisEncodeLocks:
    return RedisEncodeLocks(redis, breaker=Breaker(), lease=LEASE, patience=patience)


@pytest.fixture(params=["fake", "redis"])
def gateways(request: pytest.FixtureRequest) -> Gateways:
    if request.param == "fake":
        cache = FakeCache()
        return Gateways((locks := FakeLocks(cache)), locks, cache)
    redis = request.getfixturevalue("redis")
    return Gateways(
        redis_locks(redis), redis_locks(redis), RedisEmbeddingCache(redis, ttl=100, breaker=Breaker(), offload=inline)
    )


async def taken(locks: EncodeLocks, key: EmbeddingKey = KEY) -> Lease:
    """A turn that somebody gets."""
    async with asyncio.timeout(10):
        lease = await locks.take(key)
    assert lease is not None
    return lease


async def still_waiting(task: asyncio.Task[Lease | None]) -> bool:
    await asyncio.wait([task], timeout=2 * LEASE)
    return not task.done()


class TestAllEncodeLocks:
    """Holds every adapter to the same behaviour."""

    async def test_one_at_a_time(self, gateways: Gateways) -> None:
        """Who comes second waits for as long as the first one keeps its turn, and then takes over."""
        first = await taken(gateways.one)
        second = asyncio.create_task(gateways.other.take(KEY))
        waited = await still_waiting(second)
        await first.release()
        lease = await asyncio.wait_for(second, 10)

        assert waited
        assert lease is not None
        assert (False, True) == (first.taken_over, lease.taken_over)
        await lease.release()

    async def test_what_is_there_is_nobodys_turn(self, gateways: Gateways) -> None:
        """An embedding that is there already is not made again."""
        await gateways.cache.put(KEY, EMBEDDING)

        assert [None, None] == [await gateways.one.take(KEY), await gateways.other.take(KEY)]

    async def test_waiting_ends_with_the_embedding(self, gateways: Gateways) -> None:
        """Who waits is told as soon as the embedding is there, before its maker's turn is over."""
        first = await taken(gateways.one)
        second = asyncio.create_task(gateways.other.take(KEY))
        await gateways.cache.put(KEY, EMBEDDING)

        assert await asyncio.wait_for(second, 10) is None
        await first.release()

    async def test_one_of_many_takes_over(self, gateways: Gateways) -> None:
        """Of all who wait for a turn that ended with nothing, one gets the next."""
        first = await taken(gateways.one)
        waiting = [asyncio.create_task(gateways.other.take(KEY)) for _ in range(20)]
        await asyncio.sleep(0)
        await first.release()
        done, others = await asyncio.wait(waiting, timeout=10, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait(others, timeout=2 * LEASE)
        finished = [task for task in waiting if task.done()]
        await gateways.cache.put(KEY, EMBEDDING)
        answers = await asyncio.wait_for(asyncio.gather(*waiting), 10)

        assert [*done] == finished
        (lease,) = [answer for answer in answers if answer is not None]
        await lease.release()

    async def test_keys_do_not_meet(self, gateways: Gateways) -> None:
        """Another precision is another turn."""
        first, second = await taken(gateways.one), await taken(gateways.other, replace(KEY, precision="bf16"))

        assert not second.taken_over
        await first.release()
        await second.release()

    async def test_a_turn_ends_once(self, gateways: Gateways) -> None:
        """Releasing again does not end the next one's turn."""
        first = await taken(gateways.one)
        await first.release()
        second = await taken(gateways.other)
        await first.release()
        third = asyncio.create_task(gateways.one.take(KEY))

        assert await still_waiting(third)
        third.cancel()
        await second.release()


async def test_a_lost_turn_ends_nobody_elses(redis: Redis) -> None:
    """A turn that Redis forgot is somebody else's after that: neither renewed nor released by its former owner."""
    first = await taken(redis_locks(redis))
    (name,) = await redis.keys("*")
    await redis.delete(name)
    second = await taken(redis_locks(redis))
    owner = await redis.get(name)

    await asyncio.sleep(LEASE)
    await first.release()

    assert owner == await redis.get(name)
    await second.release()
    assert [] == await redis.keys("*")


async def test_a_dead_owners_turn_is_taken_over(redis: Redis) -> None:
    """Who has died renews nothing: its turn ends after its time."""
    locks = redis_locks(redis)
    lease = await taken(locks)
    (name,) = await redis.keys("*")
    await lease.release()
    await redis.set(name, "somebody who is dead", px=round(LEASE * 1000))

    lease = await taken(locks)

    assert lease.taken_over
    await lease.release()


async def test_a_repeated_question_keeps_the_turn(redis: Redis) -> None:
    """A question whose answer was lost on the way is asked again, and its owner need not wait for itself."""
    locks = redis_locks(redis)

    assert [b"yours", b"yours", b"taken"] == [await locks._ask(KEY, owner) for owner in ("one", "one", "another")]


class AnswersLate(RedisEncodeLocks):
    """Has been given the turn, and does not know it yet."""

    async def _ask(self, key: EmbeddingKey, owner: str) -> bytes:
        await super()._ask(key, owner)
        return await asyncio.get_running_loop().create_future()


async def test_who_gives_up_while_asking_leaves_no_turn(redis: Redis) -> None:
    """An answer that is on its way when its caller goes is nobody's turn."""
    taking = asyncio.create_task(AnswersLate(redis, breaker=Breaker(), lease=60, patience=PATIENCE).take(KEY))
    async with asyncio.timeout(10):
        while not await redis.keys("*"):
            pass
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)

    assert (True, []) == (taking.cancelled(), await redis.keys("*"))


async def test_patience_ends(redis: Redis) -> None:
    """Others that keep their turn for too long are not waited for any longer."""
    lease = await taken(redis_locks(redis))

    with pytest.raises(CacheUnavailable, match="too long"):
        await redis_locks(redis, patience=0.1).take(KEY)
    await lease.release()


async def test_without_redis_it_is_soon_unavailable(broken_redis: Redis) -> None:
    """A Redis that is not there or does not answer costs no more than the timeouts."""
    async with asyncio.timeout(8):
        with pytest.raises(CacheUnavailable):
            await redis_locks(broken_redis).take(KEY)


async def test_redis_that_goes_away_fails_no_turn(valkey: EmbeddedStack) -> None:
    """A turn whose Redis has gone is released without an error, and gone with it."""
    async with connected(valkey.endpoints.redis) as client:
        await client.flushall()
        locks = redis_locks(client)
        lease = await taken(locks)
        valkey.stop("valkey")
        try:
            await asyncio.sleep(LEASE)  # renewals fail meanwhile
            await lease.release()
        finally:
            valkey.start("valkey")

        assert [] == await client.keys("*")
