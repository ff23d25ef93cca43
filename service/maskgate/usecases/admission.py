"""A bounded number of calls at work, a bounded number waiting, and no for the rest."""

from __future__ import annotations

from contextlib import asynccontextmanager
from time import perf_counter
from typing import TYPE_CHECKING

from maskgate.domain.errors import Overloaded
from maskgate.ports import Refusal
from maskgate.usecases.turns import Turns

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from maskgate.domain.call import Deadline
    from maskgate.domain.tenant import Tenant
    from maskgate.ports import AdmissionWatcher

_WEIGHT = 0.1
"""Of the latest call, in the mean of how long they hold their places."""


class Admission:
    """Permits for one tier: so many at once, so many waiting for one.

    Tenants are served in turn, and first come first served are the calls of each. Who waits for many places makes room
    for who waits for few, so that nobody can keep others out.

    Args:
        tier: What clients and metrics call it (docs/limits.md).
        concurrency: Places at work.
        waiting: Places to wait in.
        watcher: Is told who gets in.
    """

    def __init__(self, *, tier: str, concurrency: int, waiting: int, watcher: AdmissionWatcher | None = None) -> None:
        self._tier = tier
        self._concurrency = concurrency
        self._turns = Turns(concurrency)
        self._waiting = waiting
        self._hold = 0.0
        self._watcher = watcher or _Nobody()
        self._watcher.opened(tier)

    @asynccontextmanager
    async def permit(self, tenant: Tenant, *, deadline: Deadline | None = None) -> AsyncIterator[float]:
        """Hold a permit; yields the seconds it was waited for.

        Raises:
            Overloaded: Too many wait already, or for longer than the deadline allows.
        """
        self._check(tenant, deadline)
        asked = perf_counter()
        await self._turns.take(tenant)
        granted = perf_counter()
        try:
            self._watcher.admitted(self._tier, waited=granted - asked)
            yield granted - asked
        finally:
            self._held(perf_counter() - granted)
            self._turns.give_back()

    @property
    def places(self) -> int:
        """How many calls there may be, at work and waiting."""
        return self._concurrency + self._waiting

    def foreseen(self, tenant: Tenant) -> float:
        """Return the seconds until it is the turn of a call of a tenant that comes now.

        So many go before it, and calls have held their places for so long of late.
        """
        return self._turns.ahead_of(tenant) * self._hold / self._concurrency

    def _check(self, tenant: Tenant, deadline: Deadline | None) -> None:
        if deadline is not None and self.foreseen(tenant) > max(0, deadline.remaining()):
            text = f"Calls wait longer in the tier {self._tier!r} than the deadline allows."
            raise self._refused(Refusal.TOO_LATE, text, self.foreseen(tenant))
        if self._turns.is_free or self._turns.waiting < self._waiting:
            return
        text = f"Too many calls wait in the tier {self._tier!r}."
        refusal = self._refused(Refusal.FULL, text, self._turns.waiting * self._hold / self._concurrency)
        if not self._turns.make_room_for(tenant, refusal):
            raise refusal

    def _refused(self, why: Refusal, text: str, retry_after: float) -> Overloaded:
        self._watcher.refused(self._tier, why)
        return Overloaded(text, retry_after=retry_after, tier=self._tier)

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
