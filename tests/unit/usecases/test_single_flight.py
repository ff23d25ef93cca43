from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from maskgate.usecases.single_flight import SingleFlight

if TYPE_CHECKING:
    from collections.abc import Callable


class Work:
    """Work that waits until it is let go.

    Args:
        error: Raised in the end.
        queued: Whether it has not taken off while it waits.
    """

    def __init__(self, error: Exception | None = None, *, queued: bool = False) -> None:
        self._error = error
        self._queued = queued
        self.started = 0
        self.done = 0
        self.go = asyncio.Event()

    async def __call__(self, take_off: Callable[[], None]) -> int:
        self.started += 1
        if not self._queued:
            take_off()
        await self.go.wait()
        if self._error is not None:
            raise self._error
        self.done += 1
        return self.done


async def settle() -> None:
    """Let every task run until it waits."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_calls_of_one_key_share_the_work() -> None:
    """Work that is under way is joined, not started again."""
    flights, work = SingleFlight[str, int](), Work()
    waiters = [asyncio.create_task(flights("key", work)) for _ in range(10)]
    await settle()

    work.go.set()

    assert [1] * 10 == await asyncio.gather(*waiters)
    assert work.started == 1


async def test_keys_do_not_wait_for_each_other() -> None:
    """Work of another key is other work."""
    flights, blocked, free = SingleFlight[str, int](), Work(), Work()
    free.go.set()
    waiter = asyncio.create_task(flights("one", blocked))
    await settle()

    assert await flights("two", free) == 1
    assert not waiter.done()
    blocked.go.set()
    await waiter


async def test_closed_flights_are_not_joined() -> None:
    """Who comes after a flight was closed begins another one; who is on board is taken to the end."""
    flights, old, new = SingleFlight[str, int](), Work(), Work()
    passenger = asyncio.create_task(flights("key", old))
    await settle()

    flights.close(lambda key: key == "key")
    late = asyncio.create_task(flights("key", new))
    await settle()
    old.go.set()
    await settle()
    latest = asyncio.create_task(flights("key", new))
    await settle()
    new.go.set()

    assert [1, 1, 1] == await asyncio.gather(passenger, late, latest)
    assert (1, 1) == (old.started, new.started)


async def test_closed_flights_are_waited_for_at_the_end() -> None:
    """Shutting down waits for them as well."""
    flights, work = SingleFlight[str, int](), Work()
    passenger = asyncio.create_task(flights("key", work))
    await settle()
    flights.close(lambda _: True)
    draining = asyncio.create_task(flights.drain())
    await settle()
    waited = not draining.done()
    work.go.set()
    await draining

    assert (True, 1) == (waited, work.done)
    await passenger


async def test_results_are_not_kept() -> None:
    """Once the work has landed, the next call starts anew: remembering is a cache's task."""
    flights, work = SingleFlight[str, int](), Work()
    work.go.set()

    assert [1, 2] == [await flights("key", work), await flights("key", work)]


async def test_every_waiter_gets_the_error_and_the_next_call_tries_again() -> None:
    """A failure reaches all who waited for it, and nobody after them."""
    flights, failing, working = SingleFlight[str, int](), Work(ValueError("no")), Work()
    waiters = [asyncio.create_task(flights("key", failing)) for _ in range(3)]
    await settle()
    failing.go.set()
    working.go.set()

    outcomes = await asyncio.gather(*waiters, return_exceptions=True)

    assert [ValueError] * 3 == [type(outcome) for outcome in outcomes]
    assert await flights("key", working) == 1


@pytest.mark.parametrize("cancelled", [0, 1])
async def test_a_cancelled_waiter_does_not_cancel_the_work(cancelled: int) -> None:
    """Whether the first or a later waiter goes, the other one gets its result."""
    flights, work = SingleFlight[str, int](), Work()
    waiters = [asyncio.create_task(flights("key", work)) for _ in range(2)]
    await settle()
    waiters.pop(cancelled).cancel()
    await settle()

    work.go.set()

    assert await waiters[0] == 1


async def test_work_in_a_queue_ends_with_the_last_who_waits() -> None:
    """What has not taken off is wanted while anybody waits for it; who comes later begins anew."""
    flights, work, next_one = SingleFlight[str, int](), Work(queued=True), Work(queued=True)
    first, last = [asyncio.create_task(flights("key", work)) for _ in range(2)]
    await settle()
    first.cancel()
    await settle()
    last.cancel()
    await settle()
    late = asyncio.create_task(flights("key", next_one))
    work.go.set()
    next_one.go.set()

    assert await late == 1
    assert (1, 0, 1) == (work.started, work.done, next_one.started)


async def test_who_stays_gets_what_waits_in_a_queue() -> None:
    """One that leaves takes it from nobody."""
    flights, work = SingleFlight[str, int](), Work(queued=True)
    first, last = [asyncio.create_task(flights("key", work)) for _ in range(2)]
    await settle()
    first.cancel()
    await settle()
    work.go.set()

    assert await last == 1


async def test_work_goes_on_when_all_have_gone() -> None:
    """The work is finished for its own sake; draining waits for it."""
    flights, work = SingleFlight[str, int](), Work()
    waiter = asyncio.create_task(flights("key", work))
    await settle()
    waiter.cancel()
    await settle()
    draining = asyncio.create_task(flights.drain())
    await settle()
    assert not draining.done()

    work.go.set()
    await draining

    assert work.done == 1


async def test_draining_survives_failures() -> None:
    """Draining waits for work that fails, too, and does not fail itself."""
    flights, work = SingleFlight[str, int](), Work(ValueError("no"))
    waiter = asyncio.create_task(flights("key", work))
    await settle()
    work.go.set()

    await flights.drain()

    with pytest.raises(ValueError, match="no"):
        await waiter
