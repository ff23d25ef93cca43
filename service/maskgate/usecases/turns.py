"""Who waits for a place, and whose turn it is: tenants one after the other, the calls of each as they came."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maskgate.domain.errors import Overloaded
    from maskgate.domain.tenant import Tenant

    _Line = deque[asyncio.Future[None]]


class Turns:
    """Places, and a line of each tenant's calls that wait for one (round robin).

    Args:
        places: How many there are.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._lines: OrderedDict[str, _Line] = OrderedDict()  # none is empty; the first one's turn is next

    @property
    def waiting(self) -> int:
        """How many calls wait."""
        return sum(map(len, self._lines.values()))

    @property
    def is_free(self) -> bool:
        """Whether a call that comes now need not wait."""
        return self._free > 0

    def ahead_of(self, tenant: Tenant) -> int:
        """Return how many are let in before a call of a tenant that comes now: all of its own, of others as many."""
        own = len(self._lines.get(tenant.name, ()))
        others = (len(line) for name, line in self._lines.items() if name != tenant.name)
        return own + sum(min(own + 1, other) for other in others)

    async def take(self, tenant: Tenant) -> None:
        """Wait for a place, which is then to be given back. Raises Overloaded where it gave up its turn."""
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._lines.setdefault(tenant.name, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._leave(tenant.name, turn)
            elif turn.exception() is None:  # its turn had come
                self.give_back()
            raise

    def give_back(self) -> None:
        """Let the next call in, if there is one."""
        while self._lines:
            turn = self._next()
            if not turn.done():  # else it is being given up in this very moment
                turn.set_result(None)
                return
        self._free += 1

    def make_room_for(self, tenant: Tenant, refusal: Overloaded) -> bool:
        """Refuse the latest call of the longest line, if that stays as long as the tenant's own; tell whether."""
        own = len(self._lines.get(tenant.name, ()))
        name, line = max(self._lines.items(), key=lambda item: len(item[1]), default=("", deque()))
        if len(line) <= own + 1:
            return False
        turn = line[-1]
        self._leave(name, turn)
        if not turn.done():
            turn.set_exception(refusal)
        return True

    def _next(self) -> asyncio.Future[None]:
        name, line = next(iter(self._lines.items()))
        self._lines.move_to_end(name)
        turn = line[0]
        self._leave(name, turn)
        return turn

    def _leave(self, name: str, turn: asyncio.Future[None]) -> None:
        line = self._lines.get(name, deque())
        if turn in line:
            line.remove(turn)
        if not line:
            self._lines.pop(name, None)
