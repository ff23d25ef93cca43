"""What a generation tells, numbered; of one that goes on, what was told before is not told again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from maskgate.domain.generation.events import Told

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from maskgate.domain.generation.cursor import Cursor
    from maskgate.domain.generation.events import GenerationEvent


class Outbox:
    """Counts events.

    Args:
        since: The place after which events are to be told.
        send: Tells one.
    """

    def __init__(self, since: Cursor, send: Callable[[Told], Awaitable[None]]) -> None:
        self._before = since.told
        self._now = replace(since, told=0)
        self._send = send

    @property
    def is_repeating(self) -> bool:
        """Whether the next event was told before."""
        return self._now.told < self._before

    def repeat(self) -> None:
        """Count an event that was told before, and need not even be made."""
        self._now = replace(self._now, told=self._now.told + 1)

    async def tell(self, event: GenerationEvent) -> None:
        """Tell an event, if it was not told before."""
        is_new = not self.is_repeating
        self.repeat()
        if is_new:
            await self._send(Told(event, self._now))

    async def end(self, event: GenerationEvent) -> None:
        """Tell the last event, whatever was told before: a stream without one has failed."""
        self.repeat()
        await self._send(Told(event, self._now))
