"""What goes along with a request and is no part of what is asked: who asks, and until when the answer is of use."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from time import monotonic

from maskgate.domain.tenant import EVERYBODY, Tenant


class Priority(IntEnum):
    """Whose turn it is where calls queue; the numbers are those of Triton's queues (model_repository)."""

    CLICK = 1
    """Somebody waits in front of a screen."""
    BULK = 2
    """One of many, such as those of a batch."""


@dataclass(frozen=True, order=True, slots=True)
class Deadline:
    """A moment on the monotonic clock, in seconds."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Return the moment in so many seconds."""
        return cls(monotonic() + seconds)

    def or_after(self, seconds: float) -> Deadline:
        """Return the moment in so many seconds, if that is earlier."""
        return min(self, Deadline.after(seconds), key=lambda deadline: deadline.at)

    def remaining(self) -> float:
        """Return the seconds until then; negative afterwards."""
        return self.at - monotonic()

    def within(self, seconds: float) -> Deadline:
        """Return this moment, or the one in so many seconds if that is sooner."""
        return min(self, Deadline.after(seconds))


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a client.

    Attributes:
        deadline: When the client stops waiting.
        priority: Whether it goes before others.
        tenant: Who calls. Whoever changes a call keeps it: `dataclasses.replace`.
    """

    deadline: Deadline
    priority: Priority = Priority.CLICK
    tenant: Tenant = EVERYBODY
