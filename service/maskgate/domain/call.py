"""What goes along with a request and is no part of what is asked: until when the answer is of use."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on the monotonic clock, in seconds."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Return the moment in so many seconds."""
        return cls(monotonic() + seconds)

    def remaining(self) -> float:
        """Return the seconds until then; negative afterwards."""
        return self.at - monotonic()


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a client.

    Attributes:
        deadline: When the client stops waiting.
    """

    deadline: Deadline
