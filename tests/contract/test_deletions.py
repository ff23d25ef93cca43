"""What Deletions promises: of Redis, since the fake tells what a test has told it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from maskgate.adapters.redis import Breaker, RedisDeletions, RedisImageStore
from maskgate.domain.errors import StoreUnavailable
from maskgate.domain.image import ImageId, ImageInfo, ImageSize

if TYPE_CHECKING:
    from redis.asyncio import Redis

IMAGES = [ImageId.of(bytes([number])) for number in range(4)]


@pytest.fixture
def store(redis: Redis) -> RedisImageStore:
    return RedisImageStore(redis, ttl=100, breaker=Breaker())


@pytest.fixture
def deletions(redis: Redis) -> RedisDeletions:
    return RedisDeletions(redis, breaker=Breaker())


async def test_nothing_was_deleted(deletions: RedisDeletions) -> None:
    """Where nothing was deleted, nothing is told, and no key is made."""
    assert [[], []] == [await deletions.heard(), await deletions.heard()]


async def test_each_deletion_is_told_once(store: RedisImageStore, deletions: RedisDeletions) -> None:
    """In their order, each once, however often is asked in between."""
    heard = []
    for image_id in IMAGES[:2]:
        await store.delete(image_id)
    heard.append(await deletions.heard())
    heard.append(await deletions.heard())
    await store.delete(IMAGES[2])
    heard.append(await deletions.heard())

    assert [IMAGES[:2], [], IMAGES[2:3]] == heard


async def test_everybody_is_told(redis: Redis, store: RedisImageStore, deletions: RedisDeletions) -> None:
    """What one gateway has heard of, the others hear of as well."""
    beside = RedisDeletions(redis, breaker=Breaker())
    await store.delete(IMAGES[0])

    assert [IMAGES[:1], IMAGES[:1]] == [await deletions.heard(), await beside.heard()]


async def test_what_was_deleted_before_is_not_told(redis: Redis, store: RedisImageStore) -> None:
    """A gateway that has just begun knows nothing that it would have to forget."""
    await store.delete(IMAGES[0])
    seconds, _ = await redis.time()
    await redis.zadd("maskgate:1:deleted", {str(IMAGES[0]): (seconds - 10) * 1e6})
    deletions = RedisDeletions(redis, breaker=Breaker())
    await store.delete(IMAGES[1])

    assert IMAGES[1:2] == await deletions.heard()


async def test_a_second_deletion_is_told_as_well(store: RedisImageStore, deletions: RedisDeletions) -> None:
    """An image that was uploaded again and deleted again is told again."""
    heard = []
    for _ in range(2):
        await store.put(ImageInfo(IMAGES[0], ImageSize(1, 1), "PNG", 1), b"\0")
        await store.delete(IMAGES[0])
        heard.append(await deletions.heard())

    assert [IMAGES[:1], IMAGES[:1]] == heard


async def test_what_is_there_again_is_not_told(store: RedisImageStore, deletions: RedisDeletions) -> None:
    """An image that was uploaded again in the meantime need not be forgotten."""
    await store.delete(IMAGES[0])
    await store.put(ImageInfo(IMAGES[0], ImageSize(1, 1), "PNG", 1), b"\0")

    assert [] == await deletions.heard()


async def test_many_are_told_in_parts(store: RedisImageStore, deletions: RedisDeletions) -> None:
    """However many were deleted, all are told, a thousand at a time."""
    many = [ImageId.of(b"%d" % number) for number in range(1001)]
    for image_id in many:
        await store.delete(image_id)

    heard = [await deletions.heard(), await deletions.heard(), await deletions.heard()]

    assert [many[:1000], many[1000:], []] == heard


async def test_a_clock_that_is_set_back_hides_no_deletion(
    redis: Redis, store: RedisImageStore, deletions: RedisDeletions
) -> None:
    """Also where the last deletion seems to lie in the future, the next one is told."""
    seconds, _ = await redis.time()
    await redis.zadd("maskgate:1:deleted", {str(IMAGES[0]): (seconds + 3600) * 1e6})
    first = await deletions.heard()
    await store.delete(IMAGES[1])

    assert [IMAGES[:1], IMAGES[1:2]] == [first, await deletions.heard()]


async def test_without_redis_nobody_can_tell(broken_redis: Redis) -> None:
    """A Redis that is not there or does not answer is told as such."""
    with pytest.raises(StoreUnavailable):
        await RedisDeletions(broken_redis, breaker=Breaker()).heard()
