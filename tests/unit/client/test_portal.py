"""The event loop behind the blocking client."""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import suppress
from threading import Event, Thread
from typing import TYPE_CHECKING

import pytest

from maskgate.client._portal import Portal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator


@pytest.fixture
def _hasty_threads() -> Iterator[None]:
    """Threads take turns so often that any two steps of one may have another's between them."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


async def nothing() -> None:
    """Be over at once."""


def in_the_portal(portal: Portal, doing: Callable[[], object]) -> BaseException | None:
    """Do something in a portal's thread; return what came of it, or fail where nothing does."""
    outcome: list[BaseException | None] = []

    def done() -> None:
        try:
            doing()
        except RuntimeError as error:
            outcome.append(error)
        else:
            outcome.append(None)

    waiting = Thread(target=portal.call, args=(done,), daemon=True)
    waiting.start()
    waiting.join(5)
    assert outcome, "it waits for itself"
    return outcome[0]


def test_nobody_waits_for_oneself() -> None:
    """Who asks in the thread that would answer is told so: on_progress is called there."""
    portal = Portal()

    refusal = in_the_portal(portal, lambda: portal.run(nothing()))
    portal.close(nothing())

    assert "its own thread" in str(refusal)


def test_garbage_is_collected_anywhere() -> None:
    """Items that nobody asks for any more are ended, also where it is the portal's thread that notices."""
    portal, ended = Portal(), Event()

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            ended.set()

    items = portal.iterate(numbers())
    first = next(iter(items))
    outcome = in_the_portal(portal, items.close)  # type: ignore[attr-defined] # a generator
    was_ended = ended.wait(5)
    portal.close(nothing())

    assert (1, None, True) == (first, outcome, was_ended)


def test_closing_hangs_nobody() -> None:
    """Who waits in another thread when the client is closed is told so, and who asks afterwards."""
    portal, has_begun = Portal(), Event()

    async def forever() -> None:
        has_begun.set()
        await asyncio.Event().wait()

    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(lambda: portal.run(forever()))
        has_begun.wait(5)
        portal.close(nothing())

        with pytest.raises(CancelledError):
            waiting.result(5)
    with pytest.raises(RuntimeError, match="closed"):
        portal.run(nothing())


@pytest.mark.usefixtures("_hasty_threads")
def test_closing_hangs_nobody_who_asks_meanwhile() -> None:
    """Whoever asks in the moment of the closing is answered or refused."""

    def ask_on(portal: Portal) -> None:
        with suppress(RuntimeError, CancelledError):
            while True:
                portal.run(nothing())

    for _ in range(20):
        portal = Portal()
        asking = [Thread(target=ask_on, args=(portal,), daemon=True) for _ in range(4)]
        for thread in asking:
            thread.start()
        portal.close(nothing())
        for thread in asking:
            thread.join(5)

        assert [False] * 4 == [thread.is_alive() for thread in asking]
