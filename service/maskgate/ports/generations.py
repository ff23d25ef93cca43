"""What is remembered of generations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from maskgate.domain.generation.candidates import Candidates


class GenerationNotes(Protocol):
    """Remembers for a while what batches have found, for all gateways, so that they need not be decoded again.

    May forget any of them at any time.
    """

    async def get(self, batch: str) -> Candidates | None:
        """Return what a batch has found, or None. Raises CacheUnavailable."""
        ...

    async def put(self, batch: str, found: Candidates) -> None:
        """Remember what a batch has found. Raises CacheUnavailable."""
        ...
