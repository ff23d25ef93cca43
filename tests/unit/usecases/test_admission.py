from __future__ import annotations

import asyncio
from random import Random

import pytest

from maskgate.domain.call import Deadline
from maskgate.domain.errors import Overloaded
from maskgate.domain.tenant import EVERYBODY, Tenant
from maskgate.ports import Refusal
from maskgate.usecases.admission import Admission

BUSY, QUIET = Tenant("busy"), Tenant("quiet")


class Tier:
    """Calls behind an Admission that stay inside until they are let out.

    Attributes:
        heard: What the watcher was told.
        inside: Numbers of the calls at work.
        queued: What each call that came in was told to have waited.
    """

    def __init__(self, *, concurrency: int, waiting: int) -> None:
        self.heard: list[tuple[str, ...]] = []
        self.admission = Admission(tier="decode", concurrency=concurrency, waiting=waiting, watcher=self)
        self._out: dict[int, asyncio.Event] = {}
        self.inside: list[int] = []
        self.queued: dict[int, float] = {}

    def opened(self, tier: str) -> None:
        self.heard.append((tier, "opened"))

    def admitted(self, tier: str, *, waited: float) -> None:
        assert waited >= 0
        self.heard.append((tier, "admitted"))

    def refused(self, tier: str, why: Refusal) -> None:
        self.heard.append((tier, "refused", why))

    async def enter(
        self, number: int, *, seconds: float | None = None, tenant: Tenant = EVERYBODY
    ) -> asyncio.Task[None]:
        """Let a call come that has so many seconds, and go as far as it gets."""
        self._out[number] = asyncio.Event()
        deadline = None if seconds is None else Deadline.after(seconds)
        call = asyncio.create_task(self._call(number, tenant, deadline))
        await settle()
        return call

    async def leave(self, number: int) -> None:
        self._out[number].set()
        await settle()

    async def _call(self, number: int, tenant: Tenant, deadline: Deadline | None) -> None:
        async with self.admission.permit(tenant, deadline=deadline) as queued:
            self.queued[number] = queued
            self.inside.append(number)
            try:
                await self._out[number].wait()
            finally:
                self.inside.remove(number)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def finish(tier: Tier, *calls: asyncio.Task[None]) -> None:
    for number in list(tier._out):
        await tier.leave(number)
    await asyncio.gather(*calls)


async def test_so_many_at_once_and_so_many_waiting() -> None:
    """Calls beyond the concurrency wait, calls beyond the waiting room are refused at once, with the tier's name."""
    tier = Tier(concurrency=2, waiting=1)
    calls = [await tier.enter(number) for number in range(3)]

    refused = await tier.enter(3)

    assert [0, 1] == tier.inside
    assert refused.done()
    with pytest.raises(Overloaded) as refusal:
        await refused
    assert {"tier": "decode"} == refusal.value.metadata
    await finish(tier, *calls)


async def test_first_come_first_served() -> None:
    """A place that becomes free goes to who waited longest."""
    tier = Tier(concurrency=1, waiting=2)
    calls = [await tier.enter(number) for number in range(3)]

    await tier.leave(0)

    assert [1] == tier.inside
    await finish(tier, *calls)


async def test_tenants_take_turns() -> None:
    """Who asks for much waits among its own: another one's call is the next but one, however many wait."""
    tier = Tier(concurrency=1, waiting=9)
    calls = [await tier.enter(number, tenant=BUSY) for number in range(4)]
    calls += [await tier.enter(number, tenant=QUIET) for number in (4, 5)]
    order = []
    for _ in calls:
        order += tier.inside
        await tier.leave(order[-1])

    assert [0, 1, 4, 2, 5, 3] == order
    await finish(tier, *calls)


async def test_nobody_keeps_others_out() -> None:
    """A tenant that fills the waiting room makes room for others with the latest of its calls, until they are even."""
    tier = Tier(concurrency=1, waiting=4)
    busy = [await tier.enter(number, tenant=BUSY) for number in range(5)]
    quiet = [await tier.enter(number, tenant=QUIET) for number in (5, 6, 7)]
    one_more = await tier.enter(8, tenant=BUSY)

    outcomes = [call.done() for call in (*busy, *quiet, one_more)]

    assert [False, False, False, True, True, False, False, True, True] == outcomes
    for call in (*busy[3:], quiet[2], one_more):
        with pytest.raises(Overloaded):
            await call
    assert 4 == tier.heard.count(("decode", "refused", Refusal.FULL))
    await finish(tier, *busy[:3], *quiet[:2])


async def test_a_tenant_waits_for_as_many_of_others_as_of_its_own() -> None:
    """A long line of one tenant is no reason to refuse another one whose deadline is near."""
    tier = Tier(concurrency=1, waiting=20)
    slow = await tier.enter(0, tenant=BUSY)
    await asyncio.sleep(0.2)
    await tier.leave(0)
    calls = [await tier.enter(number, tenant=BUSY) for number in range(1, 8)]

    late = await tier.enter(8, tenant=BUSY, seconds=0.5)
    in_time = await tier.enter(9, tenant=QUIET, seconds=0.5)

    with pytest.raises(Overloaded):
        await late
    assert not in_time.done()
    await finish(tier, slow, *calls, in_time)


@pytest.mark.parametrize("seed", range(20))
async def test_no_place_is_lost_or_made(seed: int) -> None:
    """Whoever comes, goes, gives up or is sent away: never more are at work than places, and all are taken again."""
    chance, tier = Random(seed), Tier(concurrency=3, waiting=6)  # noqa: S311 - no secret
    calls: dict[int, asyncio.Task[None]] = {}
    for number in range(200):
        calls[number] = await tier.enter(number, tenant=chance.choice((BUSY, BUSY, BUSY, QUIET, EVERYBODY)))
        for gone in chance.sample(sorted(calls), min(len(calls), chance.randrange(3))):
            if chance.random() < 0.5:
                tier._out[gone].set()  # in the same moment as others
            else:
                calls[gone].cancel()
        assert len(tier.inside) <= 3
    for number in calls:
        tier._out[number].set()
    await asyncio.gather(*calls.values(), return_exceptions=True)

    again = [await tier.enter(1000 + number) for number in range(4)]

    assert [1000, 1001, 1002] == tier.inside
    await finish(tier, *again)


async def test_a_free_place_can_be_taken_again() -> None:
    """Who leaves makes room in the waiting room as well."""
    tier = Tier(concurrency=1, waiting=0)
    first = await tier.enter(0)
    await tier.leave(0)

    second = await tier.enter(1)

    assert [1] == tier.inside
    await finish(tier, first, second)


async def test_the_wait_is_told() -> None:
    """A permit comes with the seconds that it was waited for."""
    tier = Tier(concurrency=1, waiting=1)
    calls = [await tier.enter(0), await tier.enter(1)]
    await asyncio.sleep(0.03)

    await tier.leave(0)

    assert tier.queued[0] < tier.queued[1]
    assert tier.queued[1] >= 0.02
    await finish(tier, *calls)


async def test_a_cancelled_call_frees_its_place() -> None:
    """Calls that are given up leave no trace, whether they waited or were at work."""
    tier = Tier(concurrency=1, waiting=1)
    working, waiting = await tier.enter(0), await tier.enter(1)
    waiting.cancel()
    await settle()

    next_waiting = await tier.enter(2)
    working.cancel()
    await settle()

    assert [2] == tier.inside
    assert not next_waiting.done()
    await finish(tier, next_waiting)


async def test_a_failed_call_frees_its_place() -> None:
    """A call that raises gives its permit back."""
    admission = Admission(tier="decode", concurrency=1, waiting=0)
    with pytest.raises(ValueError, match="no"):
        async with admission.permit(EVERYBODY):
            raise ValueError("no")

    async with admission.permit(EVERYBODY) as queued:
        assert queued >= 0


async def test_who_cannot_be_served_in_time_is_refused() -> None:
    """A call is refused where those before it will hold the places beyond its deadline; it is told for how long."""
    tier = Tier(concurrency=1, waiting=9)
    slow = await tier.enter(0)
    await asyncio.sleep(0.2)
    await tier.leave(0)
    calls = [await tier.enter(number) for number in range(1, 5)]

    late = await tier.enter(5, seconds=0.1)
    in_time = await tier.enter(6, seconds=3600)
    patient = await tier.enter(7)

    with pytest.raises(Overloaded) as refusal:
        await late
    assert 0.6 <= (refusal.value.retry_after or 0) <= tier.admission.foreseen(EVERYBODY)
    assert ("decode", "refused", Refusal.TOO_LATE) in tier.heard
    await finish(tier, slow, *calls, in_time, patient)


async def test_nobody_is_refused_for_the_time_that_nobody_waits() -> None:
    """While nobody waits a call may try, however long others have taken and however short its deadline is."""
    tier = Tier(concurrency=1, waiting=1)
    slow = await tier.enter(0)
    await asyncio.sleep(0.05)
    await tier.leave(0)

    hasty = await tier.enter(1, seconds=0.001)

    assert [1] == tier.inside
    await finish(tier, slow, hasty)


async def test_a_cancelled_call_is_not_waited_for() -> None:
    """Who has given up waiting lengthens nobody's wait."""
    tier = Tier(concurrency=1, waiting=9)
    slow = await tier.enter(0)
    await asyncio.sleep(0.05)
    await tier.leave(0)
    calls = [await tier.enter(number) for number in range(1, 5)]
    before = tier.admission.foreseen(EVERYBODY)
    for call in calls[1:]:
        call.cancel()
    await settle()

    assert before >= 0.15
    assert 0 == tier.admission.foreseen(EVERYBODY)
    await finish(tier, slow, calls[0])


async def test_the_watcher_hears_of_all() -> None:
    """Of a tier when it opens, and of each call how it fared at the door."""
    tier = Tier(concurrency=1, waiting=0)
    working, refused = await tier.enter(0), await tier.enter(1)

    assert [("decode", "opened"), ("decode", "admitted"), ("decode", "refused", Refusal.FULL)] == tier.heard
    with pytest.raises(Overloaded):
        await refused
    await finish(tier, working)
