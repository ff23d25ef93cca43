"""One item at work, one waiting: for those who ask faster than they can be answered and care for the newest alone."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from statistics import median
from time import monotonic
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine
    from typing import Any

_T = TypeVar("_T")
_R = TypeVar("_R")

STARVED_AFTER = 0.25
"""Seconds since the last result after which an item at work is left to its end, however long it takes."""
AT_LEAST = 0.02
"""Seconds that every item gets."""
_TYPICAL = 2.0
_REMEMBERED = 9


@dataclass(frozen=True, slots=True)
class Outcome(Generic[_R]):
    """A result, and what came since the one before and has none.

    Attributes:
        result: What the work returned.
        superseded: Items that never got to work, as newer ones took their places.
        cancelled: Items that were at work when newer ones ended that.
    """

    result: _R
    superseded: int
    cancelled: int


class NewestWins(Generic[_T, _R]):
    """Works on the newest item, one at a time, and gives results in the order of the items.

    Whatever waits is superseded by a newer item. What is at work is cancelled by one only if that has taken more than
    twice the usual time, so that it sits in somebody's queue, and if there was a result a moment ago. To cancel always
    would starve whoever asks faster than he can be answered; never to cancel would keep dead items in full queues.

    Args:
        work: Makes a result of an item; it is cancelled as tasks are.
        clock: Tells seconds.
    """

    def __init__(
        self, work: Callable[[_T], Coroutine[Any, Any, _R]], *, clock: Callable[[], float] = monotonic
    ) -> None:
        self._work = work
        self._patience = _Patience(clock)
        self._fresh: deque[_T] = deque(maxlen=1)
        self._waiting: deque[_T] = deque(maxlen=1)
        self._changed = asyncio.Event()
        self._ended = False
        self._at_work: _AtWork[_R] | None = None
        self._superseded = 0
        self._cancelled = 0

    def offer(self, item: _T) -> None:
        """Let an item wait, in the place of one that waits."""
        self._superseded += len(self._waiting)
        self._waiting.append(item)
        self._changed.set()
        if self._at_work and not self._at_work.fresh and self._patience.is_over(self._at_work.began):
            self._give_up(self._at_work)

    def start_afresh(self, item: _T) -> None:
        """Drop all items that were offered, the one at work too; nothing but another fresh start supersedes this."""
        self._superseded += len(self._waiting)
        self._waiting.clear()
        self._fresh.append(item)
        self._changed.set()
        if self._at_work:
            self._give_up(self._at_work)

    def end(self) -> None:
        """Take no more items: there are results of those that wait, then none."""
        self._ended = True
        self._changed.set()

    async def outcomes(self) -> AsyncGenerator[Outcome[_R], None]:
        """Work. An item is begun when the outcome of the one before was taken; what the work raises ends it all."""
        while await self._have_work():
            fresh = bool(self._fresh)
            item = (self._fresh or self._waiting).popleft()
            at_work = _AtWork(asyncio.ensure_future(self._work(item)), self._patience.clock(), fresh=fresh)
            if await self._is_done(at_work):
                yield self._outcome(at_work)

    async def _have_work(self) -> bool:
        while not (self._fresh or self._waiting):
            if self._ended:
                return False
            self._changed.clear()
            await self._changed.wait()
        return True

    async def _is_done(self, at_work: _AtWork[_R]) -> bool:
        """Wait for the end of the work; False where it was given up, which it may notice too late."""
        self._at_work = at_work
        try:
            await asyncio.wait({at_work.task})
        finally:
            self._at_work = None
            at_work.task.cancel()
        return not (at_work.given_up and at_work.task.cancelled())

    def _outcome(self, at_work: _AtWork[_R]) -> Outcome[_R]:
        result = at_work.task.result()
        self._patience.noted(at_work.began, typical=not at_work.fresh)
        outcome = Outcome(result, self._superseded, self._cancelled)
        self._superseded = self._cancelled = 0
        return outcome

    def _give_up(self, at_work: _AtWork[_R]) -> None:
        if not at_work.given_up and at_work.task.cancel():
            at_work.given_up = True
            self._cancelled += not at_work.fresh


@dataclass(slots=True)
class _AtWork(Generic[_R]):
    task: asyncio.Future[_R]
    began: float
    fresh: bool
    given_up: bool = False


class _Patience:
    """How long an item may be at work while newer ones come."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._took: deque[float] = deque(maxlen=_REMEMBERED)
        self._last: float | None = None

    def noted(self, began: float, *, typical: bool) -> None:
        self._last = self.clock()
        if typical:
            self._took.append(self._last - began)

    def is_over(self, began: float) -> bool:
        now = self.clock()
        if not self._took or self._last is None or now - self._last > STARVED_AFTER:
            return False
        return now - began > max(AT_LEAST, _TYPICAL * median(self._took))
