"""A token bucket: what may be used grows evenly, and is saved up to a limit."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Bucket:
    """So much was left at a moment; below 0 where more was taken than there was.

    Attributes:
        limit: What it holds when it is full.
        seconds: The time in which an empty one fills.
        left: What was left.
        at: When, in seconds of any clock.
    """

    limit: float
    seconds: float
    left: float
    at: float

    @classmethod
    def full(cls, limit: float, seconds: float, *, at: float) -> Bucket:
        """Return one that nobody has used for long."""
        return cls(limit, seconds, limit, at)

    def after(self, now: float) -> Bucket:
        """Return it as it is later."""
        grown = self.left + max(0.0, now - self.at) * self.limit / self.seconds
        return replace(self, left=min(self.limit, grown), at=now)

    def wait(self, amount: float) -> float:
        """Return the seconds until an amount may be taken: at once where there is that much, or all it can hold."""
        return max(0.0, min(amount, self.limit) - self.left) * self.seconds / self.limit

    def without(self, amount: float) -> Bucket:
        """Take an amount."""
        return replace(self, left=self.left - amount)
