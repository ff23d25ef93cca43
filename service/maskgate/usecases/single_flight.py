"""The same work asked for several times at once is done once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable

_K = TypeVar("_K", bound="Hashable")
_T = TypeVar("_T")


class SingleFlight(Generic[_K, _T]):
    """Joins concurrent calls of one key within this process.

    Nobody's cancellation cancels the work: the others wait for it, and its result is worth keeping even when all of
    them have gone.
    """

    def __init__(self) -> None:
        self._joined: dict[_K, asyncio.Task[_T]] = {}
        self._flights: set[asyncio.Task[_T]] = set()

    async def __call__(self, key: _K, work: Callable[[], Coroutine[None, None, _T]]) -> _T:
        """Return what `work` returns or raise what it raises, whoever started it."""
        flight = self._joined.get(key)
        if flight is None:
            flight = asyncio.create_task(work(), name=f"flight {key}")
            self._joined[key] = flight
            self._flights.add(flight)
            flight.add_done_callback(lambda done: self._land(key, done))
        return await asyncio.shield(flight)

    def close(self, stale: Callable[[_K], bool]) -> None:
        """Let nobody join the flights of some keys any more: the next call of such a key begins another one."""
        for key in [key for key in self._joined if stale(key)]:
            del self._joined[key]

    async def drain(self) -> None:
        """Wait for the work under way, whatever becomes of it."""
        await asyncio.gather(*self._flights, return_exceptions=True)

    def _land(self, key: _K, flight: asyncio.Task[_T]) -> None:
        self._flights.discard(flight)
        if self._joined.get(key) is flight:
            del self._joined[key]
        if not flight.cancelled():
            flight.exception()  # seen here, so that asyncio does not report it when every waiter has gone
