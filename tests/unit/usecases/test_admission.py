from __future__ import annotations

import asyncio

import pytest

from maskgate.domain.errors import Overloaded
from maskgate.usecases.admission import Admission


class Tier:
    """Calls behind an Admission that stay inside until they are let out.

    Attributes:
        inside: Numbers of the calls at work.
        queued: What each call that came in was told to have waited.
    """

    def __init__(self, *, concurrency: int, waiting: int) -> None:
        self._admission = Admission(tier="decoder", concurrency=concurrency, waiting=waiting)
        self._out: dict[int, asyncio.Event] = {}
        self.inside: list[int] = []
        self.queued: dict[int, float] = {}

    async def enter(self, number: int) -> asyncio.Task[None]:
        """Let a call come, and go as far as it gets."""
        self._out[number] = asyncio.Event()
        call = asyncio.create_task(self._call(number))
        await settle()
        return call

    async def leave(self, number: int) -> None:
        self._out[number].set()
        await settle()

    async def _call(self, number: int) -> None:
        async with self._admission.permit() as queued:
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
    assert {"tier": "decoder"} == refusal.value.metadata
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
    admission = Admission(tier="decoder", concurrency=1, waiting=0)
    with pytest.raises(ValueError, match="no"):
        async with admission.permit():
            raise ValueError("no")

    async with admission.permit() as queued:
        assert queued >= 0
