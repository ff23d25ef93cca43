"""A bounded number of calls at work, a bounded number waiting, and no for the rest."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from time import perf_counter
from typing import TYPE_CHECKING

from maskgate.domain.errors import Overloaded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Admission:
    """Permits for one tier: so many at once, so many waiting for one, first come first served."""

    def __init__(self, *, tier: str, concurrency: int, waiting: int) -> None:
        self._tier = tier
        self._permits = asyncio.Semaphore(concurrency)
        self._places = concurrency + waiting
        self._inside = 0

    @asynccontextmanager
    async def permit(self) -> AsyncIterator[float]:
        """Hold a permit; yields the seconds it was waited for.

        Raises:
            Overloaded: Too many wait already.
        """
        if self._inside >= self._places:
            raise Overloaded(f"Too many calls wait for the {self._tier}.", tier=self._tier)
        self._inside += 1
        try:
            asked = perf_counter()
            async with self._permits:
                yield perf_counter() - asked
        finally:
            self._inside -= 1
