"""A bounded number of calls at work, a bounded number waiting, and no for the rest."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from time import perf_counter
from typing import TYPE_CHECKING

from maskgate.domain.errors import Overloaded
from maskgate.ports import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from maskgate.domain.call import Deadline
    from maskgate.ports import AdmissionWatcher

_WEIGHT = 0.1
"""Of the latest call, in the mean of how long they hold their places."""


class Admission:
    """Permits for one tier: so many at once, so many waiting for one, first come first served.

    Args:
        tier: What clients and metrics call it (docs/limits.md).
        concurrency: Places at work.
        waiting: Places to wait in.
        watcher: Is told who gets in.
    """

    def __init__(self, *, tier: str, concurrency: int, waiting: int, watcher: AdmissionWatcher | None = None) -> None:
        self._tier = tier
        self._concurrency = concurrency
        self._permits = asyncio.Semaphore(concurrency)
        self._places = concurrency + waiting
        self._inside = 0
        self._hold = 0.0
        self._watcher = watcher or _Nobody()
        self._watcher.opened(tier)

    @asynccontextmanager
    async def permit(self, *, deadline: Deadline | None = None) -> AsyncIterator[float]:
        """Hold a permit; yields the seconds it was waited for.

        Raises:
            Overloaded: Too many wait already, or for longer than the deadline allows.
        """
        self._check(deadline)
        self._inside += 1
        try:
            asked = perf_counter()
            async with self._permits:
                granted = perf_counter()
                self._watcher.admitted(self._tier, waited=granted - asked)
                try:
                    yield granted - asked
                finally:
                    self._held(perf_counter() - granted)
        finally:
            self._inside -= 1

    @property
    def foreseen(self) -> float:
        """The seconds until all who wait now are let in, by how long calls have held their places of late."""
        return max(0, self._inside - self._concurrency) * self._hold / self._concurrency

    def _check(self, deadline: Deadline | None) -> None:
        if self._inside >= self._places:
            raise self._refusal(Refusal.FULL, f"Too many calls wait in the tier {self._tier!r}.")
        if deadline is not None and self.foreseen > max(0, deadline.remaining()):
            text = f"Calls wait longer in the tier {self._tier!r} than the deadline allows."
            raise self._refusal(Refusal.TOO_LATE, text)

    def _refusal(self, why: Refusal, text: str) -> Overloaded:
        self._watcher.refused(self._tier, why)
        return Overloaded(text, retry_after=self.foreseen, tier=self._tier)

    def _held(self, seconds: float) -> None:
        self._hold += (seconds - self._hold) * (_WEIGHT if self._hold else 1)


class _Nobody:
    """An AdmissionWatcher that does not care."""

    def opened(self, tier: str) -> None:
        """See AdmissionWatcher."""

    def admitted(self, tier: str, *, waited: float) -> None:
        """See AdmissionWatcher."""

    def refused(self, tier: str, why: Refusal) -> None:
        """See AdmissionWatcher."""
