"""Who hears of calls that wait for their turn or for an embedding, and of those that get none."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from maskgate.domain.embedding import EmbeddingKey


class Refusal(StrEnum):
    """Why a call is not let in."""

    FULL = "full"
    """Every place to work and to wait in is taken."""
    TOO_LATE = "too_late"
    """Its turn would come after its deadline."""


class AdmissionWatcher(Protocol):
    """Is told what happens at the doors of tiers. Never raises."""

    def opened(self, tier: str) -> None:
        """Hear of a tier, before anything happens there."""
        ...

    def admitted(self, tier: str, *, waited: float) -> None:
        """Hear of a call that is let in after so many seconds."""
        ...

    def refused(self, tier: str, why: Refusal) -> None:
        """Hear of one that is not."""
        ...


class EmbeddingWatcher(Protocol):
    """Is told which embeddings are wanted and not at hand. Never raises."""

    def awaited(self) -> AbstractContextManager[None]:
        """Surround somebody's wait for one, whatever it takes."""
        ...

    def pending(self, key: EmbeddingKey) -> AbstractContextManager[None]:
        """Surround the time in which one has to be encoded here: wait for a place, for an encoder, and its work."""
        ...
