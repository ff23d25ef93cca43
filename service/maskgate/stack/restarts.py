"""How often a crashed component is started again, and after which pause."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """At most `limit` restarts in `window_seconds`, each pause twice the one before."""

    limit: int = 3
    window_seconds: float = 60.0
    first_pause_seconds: float = 0.5

    def pause_after(self, crashes: int) -> float | None:
        """Seconds to wait after the given number of crashes within the window, or None: give up."""
        if crashes > self.limit:
            return None
        return self.first_pause_seconds * 2.0 ** (crashes - 1)


class CrashHistory:
    """The recent crashes of one component."""

    def __init__(self, policy: RestartPolicy, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Starts with no crash."""
        self._policy = policy
        self._clock = clock
        self._crashes: list[float] = []

    def record(self) -> float | None:
        """Notes a crash and returns how long to wait before the restart, or None: give up."""
        now = self._clock()
        self._crashes = [c for c in self._crashes if now - c < self._policy.window_seconds]
        self._crashes.append(now)
        return self._policy.pause_after(len(self._crashes))
