"""Two places, in virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskgate.domain.errors import InferenceFailed
from maskgate.usecases.newest_wins import STARVED_AFTER, NewestWins
from tests.virtual_time import run

if TYPE_CHECKING:
    from collections.abc import Sequence

RATE = 0.005
"""Seconds between items: 200 a second."""


@dataclass
class Story:
    """What became of items, which are numbered from 1 on.

    Attributes:
        takes: How long the item of an index takes; the last value goes for all that follow.
        begun: Which items got to work.
        most_at_work: Items at work at once.
        answered: Results, each with its time.
        superseded, cancelled: Sums over the outcomes.
    """

    takes: Sequence[float]
    begun: list[int] = field(default_factory=list)
    at_work: int = 0
    most_at_work: int = 0
    answered: list[tuple[int, float]] = field(default_factory=list)
    superseded: int = 0
    cancelled: int = 0

    async def work(self, item: int) -> int:
        self.begun.append(item)
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        try:
            await asyncio.sleep(self.takes[min(item, len(self.takes)) - 1])
        finally:
            self.at_work -= 1
        return item

    @property
    def items(self) -> list[int]:
        return [item for item, _ in self.answered]

    async def offer(self, newest: NewestWins[int, int], pauses: Sequence[float]) -> None:
        for item, pause in enumerate(pauses, start=1):
            newest.offer(item)
            await asyncio.sleep(pause)
        newest.end()

    async def play(self, pauses: Sequence[float], *, reading: float = 0.0) -> Story:
        """Offer items with pauses after each; every result takes so long to be read."""
        clock = asyncio.get_running_loop().time
        newest = NewestWins(self.work, clock=clock)
        offering = asyncio.create_task(self.offer(newest, pauses))
        async for outcome in newest.outcomes():
            self.answered.append((outcome.result, clock()))
            self.superseded += outcome.superseded
            self.cancelled += outcome.cancelled
            await asyncio.sleep(reading)
        await offering
        return self


def told(takes: Sequence[float], pauses: Sequence[float], *, reading: float = 0.0) -> Story:
    return run(Story(takes).play(pauses, reading=reading))


SECONDS = st.floats(0, 0.6)


@given(takes=st.lists(SECONDS, min_size=1), pauses=st.lists(SECONDS, min_size=1), reading=SECONDS)
def test_order_the_last_one_and_the_count(takes: list[float], pauses: list[float], reading: float) -> None:
    """However fast items come, are worked on and read: one at a time, in order, the last is answered, none is lost."""
    story = told(takes, pauses, reading=reading)

    assert sorted(set(story.items)) == story.items
    assert len(pauses) == story.items[-1]
    assert 1 == story.most_at_work
    assert len(pauses) == len(story.items) + story.superseded + story.cancelled
    assert len(story.begun) == len(story.items) + story.cancelled


@given(takes=st.lists(st.floats(0.001, 0.4), min_size=1, max_size=400))
def test_nobody_starves(takes: list[float]) -> None:
    """At 200 items a second there is a result at least every quarter of a second and the longest item's time."""
    story = told(takes, [RATE] * 400)

    times = [0.0, *(time for _, time in story.answered)]
    assert all(later - earlier <= STARVED_AFTER + max(takes) + 2 * RATE for earlier, later in pairwise(times))


def test_what_keeps_up_is_answered_in_full() -> None:
    """Where work is faster than items come, every one is answered."""
    story = told([0.004], [RATE] * 100)

    assert [*range(1, 101)] == story.items


def test_work_of_the_usual_length_is_never_cancelled() -> None:
    """Items that come faster than they are worked on supersede each other, but not the one at work."""
    story = told([0.03], [RATE] * 100)

    assert 0 == story.cancelled
    assert story.superseded > 50


def test_what_sits_in_a_queue_is_cancelled() -> None:
    """An item that takes much longer than usual makes room for a newer one: here after the 20 ms that each gets."""
    story = told([0.004] * 10 + [1.0] + [0.004], [RATE] * 20)

    assert 11 in story.begun
    assert 11 not in story.items
    assert (1, 20) == (story.cancelled, story.items[-1])


def test_without_a_newer_item_nothing_is_cancelled() -> None:
    """The last item is answered, however long it takes."""
    story = told([0.004] * 10 + [5.0], [RATE] * 11)

    assert (0, 11) == (story.cancelled, story.items[-1])


def test_a_full_queue_is_waited_out() -> None:
    """Where every item takes long from one moment on, some are cancelled, and then one is waited for."""
    story = told([0.004] * 10 + [0.5], [RATE] * 100)

    assert 5 < story.cancelled < 20
    assert story.answered[10][1] - story.answered[9][1] == pytest.approx(STARVED_AFTER + 0.5, abs=0.03)


def test_a_fresh_start_drops_what_came_before() -> None:
    """It ends what is at work and what waits, and is not superseded by what comes after it."""

    async def play() -> tuple[Story, list[int]]:
        story = Story([1.0, 1.0, 0.1, 0.1, 0.1])
        newest = NewestWins(story.work, clock=asyncio.get_running_loop().time)
        outcomes = newest.outcomes()
        newest.offer(1)
        first = asyncio.ensure_future(anext(outcomes))
        await asyncio.sleep(0.01)
        newest.offer(2)
        newest.start_afresh(3)
        newest.offer(4)
        newest.offer(5)
        newest.end()
        rest = [await first, *[outcome async for outcome in outcomes]]
        return story, [number for it in rest for number in (it.result, it.superseded, it.cancelled)]

    story, told_of = run(play())

    assert [1, 3, 5] == story.begun
    assert [3, 2, 1, 5, 0, 0] == told_of


def test_a_fresh_start_is_superseded_by_another_one_alone() -> None:
    """Items wait for a fresh start however long it takes; another fresh start ends it."""

    async def play() -> tuple[list[int], list[int]]:
        story = Story([0.001, 1.0, 1.0, 0.1])
        newest = NewestWins(story.work, clock=asyncio.get_running_loop().time)
        outcomes = newest.outcomes()
        newest.offer(1)
        results = [(await anext(outcomes)).result]
        newest.start_afresh(2)
        following = asyncio.ensure_future(anext(outcomes))
        await asyncio.sleep(0.1)
        newest.offer(9)
        await asyncio.sleep(0.1)
        newest.start_afresh(3)
        newest.offer(4)
        newest.end()
        outcome = await following
        return [*results, outcome.result, *[it.result async for it in outcomes]], [
            outcome.superseded,
            outcome.cancelled,
        ]

    results, lost = run(play())

    assert [1, 3, 4] == results
    assert [1, 0] == lost


def test_work_that_fails_ends_it() -> None:
    """What the work raises comes out where outcomes are taken."""

    async def work(_item: int) -> int:
        raise InferenceFailed("No.")

    async def play() -> None:
        newest = NewestWins(work)
        newest.offer(1)
        with pytest.raises(InferenceFailed):
            await anext(newest.outcomes())

    run(play())


def test_who_leaves_takes_the_work_along() -> None:
    """Cancelling the one who waits for outcomes cancels what is at work."""

    async def play() -> Story:
        story = Story([10.0])
        newest = NewestWins(story.work, clock=asyncio.get_running_loop().time)
        newest.offer(1)
        waiting = asyncio.ensure_future(anext(newest.outcomes()))
        await asyncio.sleep(0.1)
        waiting.cancel()
        await asyncio.wait({waiting})
        await asyncio.sleep(0)
        return story

    assert ([1], 0) == ((story := run(play())).begun, story.at_work)


def test_work_that_is_cancelled_by_others_is_no_result() -> None:
    """Nothing is passed over in silence because something below was cancelled."""

    async def work(_item: int) -> int:
        raise asyncio.CancelledError

    async def play() -> None:
        newest = NewestWins(work)
        newest.offer(1)
        with pytest.raises(asyncio.CancelledError):
            await anext(newest.outcomes())

    run(play())
