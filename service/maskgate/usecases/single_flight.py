"""The same work asked for several times at once is done once."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable, Iterator

_K = TypeVar("_K", bound="Hashable")
_T = TypeVar("_T")


class SingleFlight(Generic[_K, _T]):
    """Joins concurrent calls of one key within this process.

    Nobody's cancellation cancels the work while others wait for it. What is given up by all who waited is cancelled
    while it has not taken off: it may wait in queues for long, and nobody wants it. After that its result is worth
    keeping, and it goes on.
    """

    def __init__(self) -> None:
        self._joined: dict[_K, _Flight[_T]] = {}
        self._flights: set[asyncio.Task[_T]] = set()

    async def __call__(self, key: _K, work: Callable[[Callable[[], None]], Coroutine[None, None, _T]]) -> _T:
        """Return what `work` returns or raise what it raises, whoever started it.

        It is handed a function to call when it takes off.
        """
        flight = self._joined.get(key) or self._begin(key, work)
        with flight.boarded():
            return await asyncio.shield(flight.task)

    def _begin(self, key: _K, work: Callable[[Callable[[], None]], Coroutine[None, None, _T]]) -> _Flight[_T]:
        flight = self._joined[key] = _Flight(work, lambda: self._leave(key, flight))
        self._flights.add(flight.task)
        flight.task.add_done_callback(lambda _: self._land(key, flight))
        return flight

    def close(self, stale: Callable[[_K], bool]) -> None:
        """Let nobody join the flights of some keys any more: the next call of such a key begins another one."""
        for key in [key for key in self._joined if stale(key)]:
            del self._joined[key]

    async def drain(self) -> None:
        """Wait for the work under way, whatever becomes of it."""
        await asyncio.gather(*self._flights, return_exceptions=True)

    def _land(self, key: _K, flight: _Flight[_T]) -> None:
        self._flights.discard(flight.task)
        self._leave(key, flight)
        if not flight.task.cancelled():
            flight.task.exception()  # seen here, so that asyncio does not report it when every waiter has gone

    def _leave(self, key: _K, flight: _Flight[_T]) -> None:
        if self._joined.get(key) is flight:
            del self._joined[key]


class _Flight(Generic[_T]):
    """Work under way, and how many wait for it.

    Args:
        work: What is done.
        given_up: Called when nobody has waited until it took off: it can be joined no more.
    """

    def __init__(
        self, work: Callable[[Callable[[], None]], Coroutine[None, None, _T]], given_up: Callable[[], None]
    ) -> None:
        self._given_up = given_up
        self._passengers = 0
        self._is_off = False
        self.task = asyncio.create_task(work(self._take_off), name="flight")

    def _take_off(self) -> None:
        self._is_off = True

    @contextmanager
    def boarded(self) -> Iterator[None]:
        """Wait for it; the last one who leaves before it has taken off cancels it."""
        self._passengers += 1
        try:
            yield
        finally:
            self._passengers -= 1
            if not (self._passengers or self._is_off or self.task.done()):
                self._given_up()
                self.task.cancel()
