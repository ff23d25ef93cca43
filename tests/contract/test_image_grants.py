"""What ImageGrants promises, asked of every adapter."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from maskgate.adapters.near_grants import NearGrants
from maskgate.adapters.redis import Breaker, RedisImageGrants
from maskgate.domain.errors import StoreUnavailable
from maskgate.domain.image import ImageId
from maskgate.domain.tenant import Limits, Tenant
from tests.fakes import FakeGrants

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from maskgate.ports import ImageGrants

TTL = 100
ONE, TWO, THREE = (ImageId.of(name) for name in (b"one", b"two", b"three"))
ACME, OTHER = Tenant("acme"), Tenant("other")
SMALL = Tenant("acme", Limits(cache_bytes=20))


def redis_grants(redis: Redis) -> RedisImageGrants:
    return RedisImageGrants(redis, ttl=TTL, breaker=Breaker())


@pytest.fixture(params=["fake", "redis", "near over redis"])
def grants(request: pytest.FixtureRequest) -> ImageGrants:
    if request.param == "fake":
        return FakeGrants()
    shared = redis_grants(request.getfixturevalue("redis"))
    return shared if request.param == "redis" else NearGrants(shared, believed_seconds=0)


class TestAllImageGrants:
    """Holds every adapter to the same behaviour."""

    async def test_what_was_granted(self, grants: ImageGrants) -> None:
        """A tenant may use what it was granted, and nothing else; another one may not."""
        await grants.grant(ACME, ONE, weight=1)

        assert {ONE} == await grants.granted(ACME, [ONE, TWO])
        assert frozenset() == await grants.granted(OTHER, [ONE, TWO])
        assert frozenset() == await grants.granted(ACME, [])

    async def test_granting_twice_is_the_same_as_once(self, grants: ImageGrants) -> None:
        """The same grant can be made again, and weighs no more."""
        for _ in range(3):
            await grants.grant(SMALL, ONE, weight=10)
        await grants.grant(SMALL, TWO, weight=10)

        assert {ONE, TWO} == await grants.granted(SMALL, [ONE, TWO])

    async def test_the_limit_does_not_count_others(self, grants: ImageGrants) -> None:
        """What weighs too much pushes out one's own images alone."""
        gone = [
            await grants.grant(OTHER, ONE, weight=100),
            await grants.grant(SMALL, ONE, weight=15),
            await grants.grant(SMALL, TWO, weight=15),
        ]

        assert [[], [], [ONE]] == gone
        assert {TWO} == await grants.granted(SMALL, [ONE, TWO])
        assert {ONE} == await grants.granted(OTHER, [ONE])

    async def test_an_image_over_the_limit(self, grants: ImageGrants) -> None:
        """An image that alone is over the limit is granted, and stays alone."""
        gone = [await grants.grant(SMALL, ONE, weight=5), await grants.grant(SMALL, TWO, weight=50)]
        alone = await grants.granted(SMALL, [ONE, TWO])
        gone.append(await grants.grant(SMALL, THREE, weight=5))

        assert [[], [ONE], [TWO]] == gone
        assert {TWO} == alone
        assert {THREE} == await grants.granted(SMALL, [ONE, TWO, THREE])

    async def test_revoking(self, grants: ImageGrants) -> None:
        """What is taken from one is left to the other, and the last one is told."""
        await grants.grant(ACME, ONE, weight=1)
        await grants.grant(OTHER, ONE, weight=1)

        first = await grants.revoke(ACME, ONE)
        left = await grants.granted(ACME, [ONE]), await grants.granted(OTHER, [ONE])
        second = await grants.revoke(OTHER, ONE)

        assert (True, (frozenset(), {ONE}), False) == (first, left, second)
        assert frozenset() == await grants.granted(OTHER, [ONE])

    async def test_revoking_what_is_not_ones_own(self, grants: ImageGrants) -> None:
        """Nobody loses an image by what another tenant does."""
        await grants.grant(ACME, ONE, weight=1)

        assert [True, False] == [await grants.revoke(OTHER, image_id) for image_id in (ONE, TWO)]
        assert {ONE} == await grants.granted(ACME, [ONE])


async def test_what_was_not_used_for_longest_goes(redis: Redis) -> None:
    """Over the limit it is use that counts, not age; a question is a use."""
    grants = redis_grants(redis)
    await grants.grant(SMALL, ONE, weight=10)
    await grants.grant(SMALL, TWO, weight=10)
    for image_id, seconds in ((ONE, 20), (TWO, 10)):
        await redis.zincrby("maskgate:1:granted:acme", -seconds, str(image_id))
    await grants.granted(SMALL, [ONE])

    await grants.grant(SMALL, THREE, weight=10)

    assert {ONE, THREE} == await grants.granted(SMALL, [ONE, TWO, THREE])


async def test_grants_end(redis: Redis) -> None:
    """A grant that nobody used for its time is none: it is not granted, weighs nothing, and holds no image."""
    grants = redis_grants(redis)
    await grants.grant(SMALL, ONE, weight=20)
    await redis.zincrby("maskgate:1:granted:acme", -TTL, str(ONE))
    await grants.grant(OTHER, ONE, weight=1)

    assert frozenset() == await grants.granted(SMALL, [ONE])
    assert await grants.revoke(OTHER, ONE) is False
    await grants.grant(SMALL, TWO, weight=20)
    assert [b"20"] == await redis.hvals("maskgate:1:weights:acme")


async def test_every_key_expires(redis: Redis) -> None:
    """Redis forgets tenants that do not come again, and use renews the time."""
    grants = redis_grants(redis)
    await grants.grant(ACME, ONE, weight=1)
    for key in await redis.keys("*"):
        await redis.expire(key, 5)
    await grants.granted(ACME, [ONE])

    keys = await redis.keys("*")

    assert 3 == len(keys)
    assert [] == [key for key in keys if await redis.ttl(key) < TTL - 2]


async def test_without_redis_nobody_can_tell(broken_redis: Redis) -> None:
    """A Redis that is not there or does not answer costs no more than the timeouts."""
    grants = redis_grants(broken_redis)

    async with asyncio.timeout(8):
        for asked in (grants.grant(ACME, ONE, weight=1), grants.granted(ACME, [ONE]), grants.revoke(ACME, ONE)):
            with pytest.raises(StoreUnavailable):
                await asked


class TestNear:
    """What the near copy adds."""

    @pytest.fixture
    def shared(self) -> FakeGrants:
        return FakeGrants()

    @pytest.fixture
    def near(self, shared: FakeGrants) -> NearGrants:
        self.now = 0.0
        return NearGrants(shared, believed_seconds=30, clock=lambda: self.now)

    async def test_a_grant_is_believed_for_a_while(self, near: NearGrants, shared: FakeGrants) -> None:
        """Clicks of half a minute ask nobody; then one does, and is believed again."""
        await near.grant(ACME, ONE, weight=1)
        asked = []
        for self.now in (0, 29, 31, 60, 62):
            assert {ONE} == await near.granted(ACME, [ONE])
            asked.append(shared.asked)

        assert [1, 1, 2, 2, 3] == asked

    async def test_a_refusal_is_never_believed(self, near: NearGrants, shared: FakeGrants) -> None:
        """An image that is uploaded at another gateway can be used here at once."""
        before = await near.granted(ACME, [ONE])
        await shared.grant(ACME, ONE, weight=1)

        assert (frozenset(), {ONE}) == (before, await near.granted(ACME, [ONE]))

    async def test_what_is_taken_elsewhere_ends(self, near: NearGrants, shared: FakeGrants) -> None:
        """What was revoked at another gateway is gone here after half a minute, and stays gone whoever is away."""
        await near.grant(ACME, ONE, weight=1)
        await shared.revoke(ACME, ONE)
        self.now = 31
        gone = await near.granted(ACME, [ONE])
        shared.away = True

        assert frozenset() == gone
        with pytest.raises(StoreUnavailable):
            await near.granted(ACME, [ONE])

    async def test_while_nobody_can_tell(self, near: NearGrants, shared: FakeGrants) -> None:
        """What this gateway knows stays granted, however long; what it does not know is unknown, not refused."""
        await near.grant(ACME, ONE, weight=1)
        shared.away = True
        self.now = 1000

        assert {ONE} == await near.granted(ACME, [ONE])
        for tenant, image_id in ((OTHER, ONE), (ACME, TWO)):
            with pytest.raises(StoreUnavailable):
                await near.granted(tenant, [ONE, image_id])
        with pytest.raises(StoreUnavailable):
            await near.revoke(ACME, ONE)

    async def test_what_is_taken_here_while_nobody_can_be_told(self, near: NearGrants, shared: FakeGrants) -> None:
        """Taking an image away fails; but this gateway does not know it as the tenant's any more."""
        await near.grant(ACME, ONE, weight=1)
        shared.away = True
        with pytest.raises(StoreUnavailable):
            await near.revoke(ACME, ONE)

        with pytest.raises(StoreUnavailable):
            await near.granted(ACME, [ONE])

    @pytest.mark.parametrize("asked", ["granted", "grant"])
    async def test_an_answer_from_before_is_not_believed(
        self, near: NearGrants, shared: FakeGrants, asked: str
    ) -> None:
        """What is revoked while an answer is under way is not granted afterwards, though the answer said so."""
        await shared.grant(ACME, ONE, weight=1)
        answer, answered, told = getattr(shared, asked), asyncio.Event(), asyncio.Event()

        async def late(*args: object, **kwargs: object) -> object:
            result = await answer(*args, **kwargs)
            answered.set()
            await told.wait()
            return result

        setattr(shared, asked, late)
        under_way = asyncio.ensure_future(
            near.granted(ACME, [ONE]) if asked == "granted" else near.grant(ACME, ONE, weight=1)
        )
        await answered.wait()
        await near.revoke(ACME, ONE)
        told.set()
        await under_way

        assert frozenset() == await near.granted(ACME, [ONE])

    async def test_grants_of_that_time_are_told_afterwards(self, near: NearGrants, shared: FakeGrants) -> None:
        """An image that was uploaded while nobody could be told is everywhere granted later, once it is used."""
        shared.away = True
        await near.grant(ACME, ONE, weight=7)
        shared.away = False
        self.now = 31

        assert {ONE} == await near.granted(ACME, [ONE])
        assert {ONE} == await shared.granted(ACME, [ONE])

    async def test_what_goes_for_them_is_told_with_the_next(self, near: NearGrants, shared: FakeGrants) -> None:
        """What a grant pushes out that is told of afterwards is told to whoever grants next, once."""
        await near.grant(SMALL, ONE, weight=15)
        shared.away = True
        unknown = await near.grant(SMALL, TWO, weight=15)
        shared.away = False
        self.now = 31
        await near.granted(SMALL, [TWO])

        assert [[], [ONE], []] == [unknown, *[await near.grant(OTHER, THREE, weight=1) for _ in range(2)]]
        assert frozenset() == await near.granted(SMALL, [ONE])

    async def test_what_goes_is_not_believed(self, near: NearGrants) -> None:
        """What had to make room is refused here at once."""
        await near.grant(SMALL, ONE, weight=15)
        await near.grant(SMALL, TWO, weight=15)

        assert {TWO} == await near.granted(SMALL, [ONE, TWO])

    async def test_its_memory_is_bounded(self, shared: FakeGrants) -> None:
        """What was known first is forgotten first, and asked for again."""
        near = NearGrants(shared, believed_seconds=30, most=2)
        for image_id in (ONE, TWO, THREE):
            await near.grant(ACME, image_id, weight=1)
        asked = shared.asked
        await near.granted(ACME, [TWO, THREE])
        unasked = shared.asked - asked

        await near.granted(ACME, [ONE])

        assert (0, 1) == (unasked, shared.asked - asked)
