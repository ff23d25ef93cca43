"""What ImageStore promises, asked of every adapter."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from maskgate.adapters.near import NearImageStore
from maskgate.adapters.redis import Breaker, RedisImageGrants, RedisImageStore
from maskgate.adapters.traced import TracedStore
from maskgate.domain.errors import StoreUnavailable
from maskgate.domain.image import ImageId, ImageInfo, ImageSize
from maskgate.domain.tenant import Tenant
from maskgate.telemetry.tracing import Untraced
from tests.fakes import FailingStore, FakeGrants, FakeStore

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from maskgate.adapters.near import SharedImageStore
    from maskgate.ports import ImageGrants, ImageStore

CONTENT = bytes(range(256)) * 100
IMAGE_ID = ImageId.of(CONTENT)
INFO = ImageInfo(IMAGE_ID, ImageSize(640, 427), "JPEG", len(CONTENT))
UNKNOWN = ImageId.of(b"another photo")
TTL = 100
NEAR_BYTES = 100_000


ACME, OTHER = Tenant("acme"), Tenant("other")


@pytest.fixture(params=["redis", "near over redis", "fake"])
def store(request: pytest.FixtureRequest) -> ImageStore:
    if request.param == "fake":  # what the unit tests stand on keeps the contract, too
        return FakeStore()
    redis = RedisImageStore(request.getfixturevalue("redis"), ttl=TTL, breaker=Breaker())
    return redis if request.param == "redis" else NearImageStore(redis, max_bytes=NEAR_BYTES)


class TestEveryImageStore:
    """Holds every adapter to the same behaviour."""

    async def test_nothing_is_there_before_it_is_put(self, store: ImageStore) -> None:
        """An image that nobody put is None, both what is known of it and its bytes."""
        assert [None, None] == [await store.info(UNKNOWN), await store.content(UNKNOWN)]

    async def test_what_was_put_is_kept(self, store: ImageStore) -> None:
        """Description and bytes come back as they were."""
        await store.put(INFO, CONTENT)

        assert (INFO, CONTENT) == (await store.info(IMAGE_ID), await store.content(IMAGE_ID))

    async def test_putting_twice_is_the_same_as_once(self, store: ImageStore) -> None:
        """The same image can be put again."""
        await store.put(INFO, CONTENT)
        await store.put(INFO, CONTENT)

        assert (INFO, CONTENT) == (await store.info(IMAGE_ID), await store.content(IMAGE_ID))

    async def test_many_are_asked_for_at_once(self, store: ImageStore) -> None:
        """What is known of many images comes in their order, as often as they are asked for."""
        await store.put(INFO, CONTENT)

        assert [None, INFO, INFO] == await store.infos([UNKNOWN, IMAGE_ID, IMAGE_ID])
        assert [] == await store.infos([])

    async def test_what_is_deleted_is_kept_no_more(self, store: ImageStore) -> None:
        """An image that was deleted is None, and another one is not."""
        other = b"another photo"
        other_info = ImageInfo(UNKNOWN, ImageSize(1, 1), "PNG", len(other))
        await store.put(INFO, CONTENT)
        await store.put(other_info, other)

        await store.delete(IMAGE_ID)

        assert [None, None] == [await store.info(IMAGE_ID), await store.content(IMAGE_ID)]
        assert [None, other_info] == await store.infos([IMAGE_ID, UNKNOWN])

    async def test_deleting_what_is_not_there(self, store: ImageStore) -> None:
        """It succeeds, again and again."""
        await store.delete(UNKNOWN)
        await store.delete(UNKNOWN)

        assert await store.info(UNKNOWN) is None

    async def test_what_was_deleted_can_be_put_again(self, store: ImageStore) -> None:
        """An upload after a deletion counts."""
        await store.put(INFO, CONTENT)
        await store.delete(IMAGE_ID)
        await store.put(INFO, CONTENT)

        assert (INFO, CONTENT) == (await store.info(IMAGE_ID), await store.content(IMAGE_ID))

    async def test_images_do_not_meet(self, store: ImageStore) -> None:
        """One image is not another."""
        await store.put(INFO, CONTENT)

        assert [None, None] == [await store.info(UNKNOWN), await store.content(UNKNOWN)]


class TestEveryImageStoreOfTenants:
    """Holds those to it that know grants."""

    @pytest.fixture(params=["redis", "near over traced redis", "fake"])
    def kept(self, request: pytest.FixtureRequest) -> tuple[ImageStore, ImageGrants]:
        if request.param == "fake":
            grants = FakeGrants()
            return FakeStore(grants), grants
        redis = request.getfixturevalue("redis")
        store = RedisImageStore(redis, ttl=TTL, breaker=Breaker(), grant_ttl=TTL)
        shared = RedisImageGrants(redis, ttl=TTL, breaker=Breaker())
        near = NearImageStore(TracedStore(store, Untraced()), max_bytes=NEAR_BYTES)
        return (store if request.param == "redis" else near), shared

    async def test_what_somebody_has_is_not_deleted(self, kept: tuple[ImageStore, ImageGrants]) -> None:
        """Who deletes is not in the way of it, any other one is; what nobody has is deleted for everybody."""
        store, grants = kept
        await store.put(INFO, CONTENT)
        for tenant in (ACME, OTHER):
            await grants.grant(tenant, IMAGE_ID, weight=1)

        refused = [await store.delete(IMAGE_ID, but_for=tenant) for tenant in (ACME, OTHER, None)]
        left = await store.info(IMAGE_ID), await store.content(IMAGE_ID)
        await grants.revoke(OTHER, IMAGE_ID)
        by = [await store.delete(IMAGE_ID, but_for=tenant) for tenant in (None, OTHER, ACME)]

        assert ([False] * 3, (INFO, CONTENT), [False, False, True]) == (refused, left, by)
        assert [None, None] == [await store.info(IMAGE_ID), await store.content(IMAGE_ID)]


@pytest.mark.parametrize("grant_ttl", [0, TTL])
async def test_grants_that_do_not_count(redis: Redis, grant_ttl: int) -> None:
    """Grants that have ended are in nobody's way, nor is any where the gateway has no keys."""
    store = RedisImageStore(redis, ttl=TTL, breaker=Breaker(), grant_ttl=grant_ttl)
    await store.put(INFO, CONTENT)
    await RedisImageGrants(redis, ttl=TTL, breaker=Breaker()).grant(ACME, IMAGE_ID, weight=1)
    await redis.zincrby("maskgate:1:granted:acme", -grant_ttl, str(IMAGE_ID))

    assert await store.delete(IMAGE_ID) is True
    assert await store.info(IMAGE_ID) is None


@pytest.mark.parametrize("method", ["info", "content"])
async def test_redis_forgets_after_a_while(redis: Redis, method: str) -> None:
    """An image lives as long as somebody asks for it within its time, whatever of it is asked for."""
    store = RedisImageStore(redis, ttl=TTL, breaker=Breaker())
    await store.put(INFO, CONTENT)
    (name,) = await redis.keys("*")
    fresh = await redis.ttl(name)
    await redis.expire(name, 5)

    await getattr(store, method)(IMAGE_ID)
    refreshed = await redis.ttl(name)

    assert TTL - 2 <= fresh <= TTL
    assert TTL - 2 <= refreshed <= TTL


async def test_asking_for_the_unknown_leaves_nothing(redis: Redis) -> None:
    """A question creates no key."""
    store = RedisImageStore(redis, ttl=TTL, breaker=Breaker())

    await store.info(UNKNOWN)
    await store.content(UNKNOWN)

    assert [] == await redis.keys("*")


@pytest.mark.parametrize("damaged", [b"", b"garbage", b"{}", b"[]", b'{"width": 1}', b"\xff"])
async def test_damaged_descriptions_are_none(redis: Redis, damaged: bytes) -> None:
    """An image whose description cannot be read is not kept, and can be put again."""
    store = RedisImageStore(redis, ttl=TTL, breaker=Breaker())
    await store.put(INFO, CONTENT)
    (name,) = await redis.keys("*")
    await redis.hset(name, "info", damaged)

    found = await store.info(IMAGE_ID)
    await store.put(INFO, CONTENT)

    assert found is None
    assert INFO == await store.info(IMAGE_ID)


async def test_without_redis_it_is_soon_unavailable(broken_redis: Redis) -> None:
    """A Redis that is not there or does not answer costs no more than the timeouts."""
    store = RedisImageStore(broken_redis, ttl=TTL, breaker=Breaker())

    async with asyncio.timeout(8):
        with pytest.raises(StoreUnavailable):
            await store.put(INFO, CONTENT)
        with pytest.raises(StoreUnavailable):
            await store.info(IMAGE_ID)
        with pytest.raises(StoreUnavailable):
            await store.content(IMAGE_ID)
        with pytest.raises(StoreUnavailable):
            await store.infos([IMAGE_ID])
        with pytest.raises(StoreUnavailable):
            await store.delete(IMAGE_ID)


async def test_near_keeps_uploads_while_redis_is_away(broken_redis: Redis) -> None:
    """What was uploaded to this gateway can be used by it; what it has never seen is unknown, not missing."""
    store = NearImageStore(RedisImageStore(broken_redis, ttl=TTL, breaker=Breaker()), max_bytes=NEAR_BYTES)

    await store.put(INFO, CONTENT)

    assert (INFO, CONTENT) == (await store.info(IMAGE_ID), await store.content(IMAGE_ID))
    with pytest.raises(StoreUnavailable):
        await store.info(UNKNOWN)
    with pytest.raises(StoreUnavailable):
        await store.content(UNKNOWN)


async def test_near_does_not_promise_what_it_cannot_keep() -> None:
    """An image that neither Redis nor this process can keep is not accepted."""
    store = NearImageStore(FailingStore(), max_bytes=len(CONTENT) - 1)

    with pytest.raises(StoreUnavailable):
        await store.put(INFO, CONTENT)


async def test_near_survives_a_flushed_redis(redis: Redis) -> None:
    """A Redis that has forgotten everything costs this gateway nothing."""
    store = NearImageStore(RedisImageStore(redis, ttl=TTL, breaker=Breaker()), max_bytes=NEAR_BYTES)
    await store.put(INFO, CONTENT)
    await redis.flushall()

    assert (INFO, CONTENT) == (await store.info(IMAGE_ID), await store.content(IMAGE_ID))


@pytest.mark.parametrize("method", ["info", "infos", "content"])
async def test_near_does_not_put_back_what_was_deleted_elsewhere(redis: Redis, method: str) -> None:
    """A copy in the memory of a gateway that has not heard of the deletion yet brings nothing back, and goes."""
    shared = RedisImageStore(redis, ttl=TTL, breaker=Breaker())
    store = NearImageStore(shared, max_bytes=NEAR_BYTES)
    await store.put(INFO, CONTENT)
    await NearImageStore(shared, max_bytes=NEAR_BYTES).delete(IMAGE_ID)

    found = await getattr(store, method)([IMAGE_ID] if method == "infos" else IMAGE_ID)
    await redis.delete("maskgate:1:deleted")

    assert found in (None, [None])
    assert [None, None] == [await store.info(IMAGE_ID), await shared.info(IMAGE_ID)]


async def test_near_forgets_without_redis() -> None:
    """While Redis is away, deleting fails; but the copy in this process is gone."""
    shared = FakeStore()
    store = NearImageStore(shared, max_bytes=NEAR_BYTES)
    await store.put(INFO, CONTENT)
    shared.forget()
    store._shared = FailingStore()

    with pytest.raises(StoreUnavailable):
        await store.delete(IMAGE_ID)
    with pytest.raises(StoreUnavailable):
        await store.info(IMAGE_ID)


async def test_near_answers_for_what_it_holds_while_redis_is_away(broken_redis: Redis) -> None:
    """Of many images, those that were uploaded here are known; with a stranger among them nobody can tell."""
    store = NearImageStore(RedisImageStore(broken_redis, ttl=TTL, breaker=Breaker()), max_bytes=NEAR_BYTES)
    await store.put(INFO, CONTENT)

    assert [INFO, INFO] == await store.infos([IMAGE_ID, IMAGE_ID])
    with pytest.raises(StoreUnavailable):
        await store.infos([IMAGE_ID, UNKNOWN])


async def test_deletions_are_remembered_for_a_while(redis: Redis) -> None:
    """Deletions that are older than anything that could be left of their images are forgotten with the next one."""
    store = RedisImageStore(redis, ttl=TTL, breaker=Breaker(), deletion_ttl=60)
    (seconds, _) = await redis.time()
    await redis.zadd("maskgate:1:deleted", {"old": (seconds - 70) * 1e6, "young": (seconds - 50) * 1e6})

    await store.delete(IMAGE_ID)

    assert [b"young", str(IMAGE_ID).encode()] == await redis.zrange("maskgate:1:deleted", 0, -1)


class TestUploadsWhileRedisIsAway:
    """What was confirmed is kept, whatever had been deleted before."""

    @pytest.fixture(params=["redis", "fake"])
    def shared(self, request: pytest.FixtureRequest) -> SharedImageStore:
        if request.param == "fake":
            return FakeStore()
        return RedisImageStore(request.getfixturevalue("redis"), ttl=TTL, breaker=Breaker())

    @pytest.fixture
    async def near(self, shared: SharedImageStore) -> NearImageStore:
        """An image that was deleted, and uploaded again while Redis was away."""
        near, put = NearImageStore(shared, max_bytes=NEAR_BYTES), shared.put
        await near.put(INFO, CONTENT)
        await near.delete(IMAGE_ID)
        shared.put = FailingStore().put  # type: ignore[method-assign] # away
        await near.put(INFO, CONTENT)
        shared.put = put  # type: ignore[method-assign] # back
        return near

    @pytest.mark.parametrize("method", ["info", "infos", "content"])
    async def test_they_are_shared_afterwards(
        self, near: NearImageStore, shared: SharedImageStore, method: str
    ) -> None:
        """The deletion before does not count against them: once asked for, they are there for all gateways."""
        await getattr(near, method)([IMAGE_ID] if method == "infos" else IMAGE_ID)

        assert (INFO, CONTENT) == (await near.info(IMAGE_ID), await shared.content(IMAGE_ID))

    async def test_deletions_heard_of_late_were_earlier(self, near: NearImageStore, shared: SharedImageStore) -> None:
        """Nor does that deletion take them away where this gateway hears of it only now."""
        near.forget(IMAGE_ID)

        assert (INFO, INFO) == (await near.info(IMAGE_ID), await shared.info(IMAGE_ID))

    @pytest.mark.parametrize("by", ["this gateway", "another one"])
    async def test_once_shared_they_are_like_others(
        self, near: NearImageStore, shared: SharedImageStore, by: str
    ) -> None:
        """A deletion that comes after that counts, also where another gateway has put the image first."""
        await (near.info(IMAGE_ID) if by == "this gateway" else shared.put(INFO, CONTENT))
        await near.info(IMAGE_ID)
        await shared.delete(IMAGE_ID)

        assert [None, None] == [await near.info(IMAGE_ID), await shared.info(IMAGE_ID)]

    @pytest.mark.parametrize("method", ["info", "infos", "content"])
    async def test_a_deletion_elsewhere_comes_after_them(
        self, near: NearImageStore, shared: SharedImageStore, method: str
    ) -> None:
        """Who deletes an image through a gateway that reaches Redis has deleted it, whoever was cut off meanwhile."""
        await shared.delete(IMAGE_ID)

        found = await getattr(near, method)([IMAGE_ID] if method == "infos" else IMAGE_ID)

        assert found in (None, [None])
        assert [None, None] == [await near.info(IMAGE_ID), await shared.info(IMAGE_ID)]

    async def test_what_came_although_its_answer_did_not(self, near: NearImageStore, shared: SharedImageStore) -> None:
        """An image that Redis did take, without saying so in time, does not come back after it was deleted."""
        await shared.put(INFO, CONTENT)  # what Redis did of the upload that had no answer
        await shared.delete(IMAGE_ID)

        assert [None, None] == [await near.info(IMAGE_ID), await shared.info(IMAGE_ID)]

    async def test_they_can_be_deleted(self, near: NearImageStore) -> None:
        """A deletion here takes them away."""
        await near.delete(IMAGE_ID)

        assert await near.info(IMAGE_ID) is None


@pytest.mark.parametrize("method", ["info", "content"])
async def test_near_puts_back_what_redis_has_lost(redis: Redis, method: str) -> None:
    """An image that Redis has forgotten is there for other gateways again once this one is asked for it."""
    shared = RedisImageStore(redis, ttl=TTL, breaker=Breaker())
    store = NearImageStore(shared, max_bytes=NEAR_BYTES)
    await store.put(INFO, CONTENT)
    await redis.flushall()

    await getattr(store, method)(IMAGE_ID)

    assert (INFO, CONTENT) == (await shared.info(IMAGE_ID), await shared.content(IMAGE_ID))


@pytest.mark.parametrize("method", ["info", "content"])
async def test_asking_near_makes_it_live_on_in_redis(redis: Redis, method: str) -> None:
    """An image that is asked for here does not expire for the other gateways."""
    store = NearImageStore(RedisImageStore(redis, ttl=TTL, breaker=Breaker()), max_bytes=NEAR_BYTES)
    await store.put(INFO, CONTENT)
    (name,) = await redis.keys("*")
    await redis.expire(name, 5)

    await getattr(store, method)(IMAGE_ID)

    assert await redis.ttl(name) >= TTL - 2


async def test_near_holds_only_the_latest() -> None:
    """The memory of this process is bounded: an older image gives way to a newer one."""
    shared = FakeStore()
    store = NearImageStore(shared, max_bytes=len(CONTENT) + 10)
    newer = b"newer photo"
    await store.put(INFO, CONTENT)
    await store.put(ImageInfo(ImageId.of(newer), ImageSize(1, 1), "PNG", len(newer)), newer)
    shared.forget()

    assert [None, newer] == [await store.content(IMAGE_ID), await store.content(ImageId.of(newer))]
