"""What serves in a simulation: servers with one line, cores that share their time out, and models that take batches.

Times are in seconds. Whoever wants work done yields the event that a station answers with.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import simpy

if TYPE_CHECKING:
    from collections.abc import Generator

    Process = Generator[simpy.Event, None, None]

_DONE = 1e-9
"""Seconds of work that are none: what rounding leaves over."""


class Line:
    """Servers who take what has waited longest."""

    def __init__(self, env: simpy.Environment, servers: int) -> None:
        self._env = env
        self._servers = simpy.Resource(env, servers)

    def work(self, seconds: float) -> Process:
        """Wait for a server, and keep it for so long."""
        with self._servers.request() as turn:
            yield turn
            yield self._env.timeout(seconds)


class Core:
    """One core that gives all who want it equal shares of its time (processor sharing), as threads have."""

    def __init__(self, env: simpy.Environment) -> None:
        self._env = env
        self._left: dict[simpy.Event, float] = {}
        self._since = 0.0
        self._changed = 0

    def work(self, seconds: float) -> simpy.Event:
        """Return an event that comes when so much work is done."""
        self._catch_up()
        done = self._env.event()
        self._left[done] = seconds
        self._plan()
        return done

    def _catch_up(self) -> None:
        """Take off what has been done since the last change."""
        if self._left:
            each = (self._env.now - self._since) / len(self._left)
            self._left = {done: left - each for done, left in self._left.items()}
        self._since = self._env.now

    def _plan(self) -> None:
        """Come back when the least work is done, unless something changes before."""
        self._changed += 1
        if self._left:
            wait = max(0.0, min(self._left.values()) * len(self._left))
            self._env.process(self._finish(wait, self._changed))

    def _finish(self, wait: float, planned: int) -> Process:
        yield self._env.timeout(wait)
        if planned != self._changed:
            return
        self._catch_up()
        for done in [done for done, left in self._left.items() if left <= _DONE]:
            del self._left[done]
            done.succeed()
        self._plan()


class Batcher:
    """Instances of a model on one core. One that is free takes all that wait, up to a bound, and answers them together.

    On a CPU a batch takes as long as its rows one by one (docs/adr/0004).
    """

    def __init__(self, env: simpy.Environment, core: Core, *, instances: int, most: int = 32) -> None:
        self._env = env
        self._core = core
        self._most = most
        self._waiting: deque[tuple[simpy.Event, float]] = deque()
        self._idle = instances

    def work(self, seconds: float) -> simpy.Event:
        """Return an event that comes with the answer to a row of so much work."""
        done = self._env.event()
        self._waiting.append((done, seconds))
        if self._idle:
            self._idle -= 1
            self._env.process(self._serve())
        return done

    def _serve(self) -> Process:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
            yield self._core.work(sum(seconds for _, seconds in batch))
            for done, _ in batch:
                done.succeed()
        self._idle += 1
