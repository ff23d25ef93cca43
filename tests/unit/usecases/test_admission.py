from __future__ import annotations

import asyncio

import pytest

from maskgate.domain.call import Deadline
from maskgate.domain.errors import Overloaded
from maskgate.ports import Refusal
from maskgate.usecases.admission import Admission


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

    async def enter(self, number: int, *, seconds: float | None = None) -> asyncio.Task[None]:
        """Let a call come that has so many seconds, and go as far as it gets."""
        self._out[number] = asyncio.Event()
        call = asyncio.create_task(self._call(number, None if seconds is None else Deadline.after(seconds)))
        await settle()
        return call

    async def leave(self, number: int) -> None:
        self._out[number].set()
        await settle()

    async def _call(self, number: int, deadline: Deadline | None) -> None:
        async with self.admission.permit(deadline=deadline) as queued:
            self.queued[number] = queued
            self.inside.append(number)
            await self._out[number].wait()
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

    assert [2] == tier.inside[1:]
    assert not next_waiting.done()
    await finish(tier, next_waiting)


async def test_a_failed_call_frees_its_place() -> None:
    """A call that raises gives its permit back."""
    admission = Admission(tier="decode", concurrency=1, waiting=0)
    with pytest.raises(ValueError, match="no"):
        async with admission.permit():
            raise ValueError("no")

    async with admission.permit() as queued:
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
    assert 0.6 <= (refusal.value.retry_after or 0) <= tier.admission.foreseen
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
    before = tier.admission.foreseen
    for call in calls[1:]:
        call.cancel()
    await settle()

    assert before >= 0.15
    assert 0 == tier.admission.foreseen
    await finish(tier, slow, calls[0])


async def test_the_watcher_hears_of_all() -> None:
    """Of a tier when it opens, and of each call how it fared at the door."""
    tier = Tier(concurrency=1, waiting=0)
    working, refused = await tier.enter(0), await tier.enter(1)

    assert [("decode", "opened"), ("decode", "admitted"), ("decode", "refused", Refusal.FULL)] == tier.heard
    with pytest.raises(Overloaded):
        await refused
    await finish(tier, working)
