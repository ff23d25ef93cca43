"""What Quotas promises, asked of every adapter."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from maskgate.adapters.quotas import LeasedQuotas, MemoryQuotas
from maskgate.adapters.redis import Breaker, RedisQuotas
from maskgate.domain.errors import CacheUnavailable
from maskgate.domain.tenant import Limits, Quota, Tenant

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.asyncio import Redis

    from maskgate.ports import Quotas

# So slow that what grows back during a test does not count.
ACME = Tenant("acme", Limits(calls_per_second=0.001, pixels_per_minute=1))
LARGE = Tenant("acme", Limits(pixels_per_minute=1000))
OTHER = Tenant("other", LARGE.limits)
CALLS, PIXELS = Quota.CALLS, Quota.PIXELS
KINDS = ["memory", "redis", "leased from redis"]


def create(kind: str, redis: Redis) -> Quotas:
    if kind == "memory":
        return MemoryQuotas()
    shared = RedisQuotas(redis, breaker=Breaker())
    return shared if kind == "redis" else LeasedQuotas(shared, ahead_seconds=0)


@pytest.fixture(params=KINDS)
def quotas(request: pytest.FixtureRequest) -> Quotas:
    return create(request.param, request.getfixturevalue("redis"))


class TestAllQuotas:
    """Holds every adapter to the same behaviour."""

    async def test_a_limit_can_be_used_up(self, quotas: Quotas) -> None:
        """All of a limit is had, and then one is told how long to wait."""
        waits = [await quotas.charge(LARGE, PIXELS, amount) for amount in (600, 400, 500)]

        assert [0, 0] == waits[:2]
        assert pytest.approx(30, abs=2) == waits[2]

    async def test_a_refusal_costs_nothing(self, quotas: Quotas) -> None:
        """What was refused was not counted: something smaller may still be had."""
        await quotas.charge(LARGE, PIXELS, 600)
        refused = await quotas.charge(LARGE, PIXELS, 500)

        assert refused > 0
        assert 0 == await quotas.charge(LARGE, PIXELS, 390)

    async def test_more_than_the_limit(self, quotas: Quotas) -> None:
        """An amount above the limit is counted where nothing was used, and waited for afterwards."""
        first, second = await quotas.charge(LARGE, PIXELS, 3000), await quotas.charge(LARGE, PIXELS, 1)

        assert first == 0
        assert pytest.approx(120, abs=2) == second

    async def test_what_grows_can_be_had(self, quotas: Quotas) -> None:
        """Who waits for as long as it was told is served."""
        tenant = Tenant("hasty", Limits(calls_per_second=20))
        for _ in range(20):
            await quotas.charge(tenant, CALLS, 1)

        wait = await quotas.charge(tenant, CALLS, 3)
        await asyncio.sleep(wait + 0.01)

        assert 0 < wait <= 0.15
        assert 0 == await quotas.charge(tenant, CALLS, 3)

    async def test_tenants_and_quotas_do_not_meet(self, quotas: Quotas) -> None:
        """What one uses up is left to the others, and one quota is not another."""
        await quotas.charge(LARGE, PIXELS, 1000)

        assert [0, 0] == [await quotas.charge(OTHER, PIXELS, 1000), await quotas.charge(ACME, CALLS, 1)]

    async def test_without_a_limit_nothing_is_counted(self, quotas: Quotas) -> None:
        """Who has no limit of a kind is never told to wait."""
        assert [0] * 5 == [await quotas.charge(LARGE, CALLS, 1e12) for _ in range(5)]

    async def test_limits_of_another_key(self, quotas: Quotas) -> None:
        """Keys of one tenant count together, each against its own limit."""
        await quotas.charge(LARGE, PIXELS, 1000)

        assert await quotas.charge(Tenant("acme", Limits(pixels_per_minute=500)), PIXELS, 100) > 0


async def test_two_gateways_count_together(redis: Redis) -> None:
    """A limit is that of all gateways, however calls are spread."""
    one, other = create("leased from redis", redis), create("leased from redis", redis)

    served = [await gateway.charge(LARGE, PIXELS, 100) for _ in range(10) for gateway in (one, other)].count(0)

    assert 10 == served


async def test_a_full_bucket_is_forgotten(redis: Redis) -> None:
    """Redis keeps a bucket for as long as it takes to fill, and nothing of who is not limited."""
    quotas = create("redis", redis)
    await quotas.charge(LARGE, PIXELS, 500)
    await quotas.charge(LARGE, CALLS, 1)
    (name,) = await redis.keys("*")

    assert 28_000 < await redis.pttl(name) <= 32_000


async def test_without_redis_nobody_can_tell(broken_redis: Redis) -> None:
    """A Redis that is not there or does not answer costs no more than the timeouts; leases then count alone."""
    shared = RedisQuotas(broken_redis, breaker=Breaker())
    leased = LeasedQuotas(shared)

    async with asyncio.timeout(8):
        with pytest.raises(CacheUnavailable):
            await shared.charge(LARGE, PIXELS, 1)
        waits = [await leased.charge(LARGE, PIXELS, amount) for amount in (1000, 1)]

    assert waits[0] == 0
    assert waits[1] > 0


class Counting:
    """Counts questions to quotas that are shared."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._inner = MemoryQuotas(clock=clock)
        self.asked = 0

    async def charge(self, tenant: Tenant, quota: Quota, amount: float) -> float:
        self.asked += 1
        await asyncio.sleep(0)
        return await self._inner.charge(tenant, quota, amount)


class TestLeases:
    """What taking ahead adds."""

    FAST = Tenant("fast", Limits(calls_per_second=100))

    @pytest.fixture
    def shared(self) -> Counting:
        self.now = 0.0
        return Counting(lambda: self.now)

    @pytest.fixture
    def leased(self, shared: Counting) -> LeasedQuotas:
        return LeasedQuotas(shared, ahead_seconds=0.1, clock=lambda: self.now)

    async def test_few_calls_ask(self, leased: LeasedQuotas, shared: Counting) -> None:
        """Of a hundred calls in a second ten ask, and a hundred are served, also where they come at once."""
        waits = await asyncio.gather(*(leased.charge(self.FAST, CALLS, 1) for _ in range(100)))

        assert [0] * 100 == waits
        assert 10 == shared.asked

    async def test_a_flood_does_not_ask(self, leased: LeasedQuotas, shared: Counting) -> None:
        """Who was refused is refused without a question until its time has come, and is then served."""
        for _ in range(100):
            await leased.charge(self.FAST, CALLS, 1)
        waits = [await leased.charge(self.FAST, CALLS, 1) for _ in range(50)]
        asked, self.now = shared.asked, 0.11
        after = await leased.charge(self.FAST, CALLS, 1)

        assert min(waits) > 0
        assert (11, 0) == (asked, after)
