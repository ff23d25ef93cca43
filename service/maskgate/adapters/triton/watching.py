"""What may be told about the calls to Triton beside their answers, for metrics."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol


class Way(StrEnum):
    """How an embedding reaches Triton."""

    INLINE = "inline"
    SHARED = "shared"


class Registration(StrEnum):
    """How it went to make a region known."""

    DONE = "done"
    REFUSED = "refused"
    AWAY = "away"


class Retry(StrEnum):
    """How a second attempt went, or that the budget left none."""

    RECOVERED = "recovered"
    FAILED = "failed"
    REFUSED = "refused"


class Watcher(Protocol):
    """Is told what the adapter hides."""

    def sent(self, stage: str, way: Way, size: int) -> None:
        """Hear of a request of `size` bytes that goes out."""
        ...

    def registered(self, result: Registration) -> None:
        """Hear of an attempt to make the region known."""
        ...

    def retried(self, stage: str, result: Retry) -> None:
        """Hear of a call that had failed in a way that a second attempt may mend."""
        ...

    def stale(self) -> None:
        """Hear of an embedding that was replaced while it was used: a fault of ours."""
        ...


class Unwatched:
    """Nobody wants to know."""

    def sent(self, stage: str, way: Way, size: int) -> None:
        """See Watcher."""

    def registered(self, result: Registration) -> None:
        """See Watcher."""

    def retried(self, stage: str, result: Retry) -> None:
        """See Watcher."""

    def stale(self) -> None:
        """See Watcher."""
