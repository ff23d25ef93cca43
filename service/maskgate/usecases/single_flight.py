"""The same work asked for several times at once is done once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable

_T = TypeVar("_T")


class SingleFlight(Generic[_T]):
    """Joins concurrent calls of one key within this process.

    Nobody's cancellation cancels the work: the others wait for it, and its result is worth keeping even when all of
    them have gone.
    """

    def __init__(self) -> None:
        self._flights: dict[Hashable, asyncio.Task[_T]] = {}

    async def __call__(self, key: Hashable, work: Callable[[], Coroutine[None, None, _T]]) -> _T:
        """Return what `work` returns or raise what it raises, whoever started it."""
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.create_task(work(), name=f"flight {key}")
            self._flights[key] = flight
            flight.add_done_callback(lambda done: self._land(key, done))
        return await asyncio.shield(flight)

    async def drain(self) -> None:
        """Wait for the work under way, whatever becomes of it."""
        await asyncio.gather(*self._flights.values(), return_exceptions=True)

    def _land(self, key: Hashable, flight: asyncio.Task[_T]) -> None:
        del self._flights[key]
        if not flight.cancelled():
            flight.exception()  # seen here, so that asyncio does not report it when every waiter has gone
