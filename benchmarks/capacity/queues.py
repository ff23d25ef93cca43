"""Simulations of the lines whose formulas the model has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import simpy

from benchmarks.capacity.measured import poisson_times
from benchmarks.capacity.stations import Batcher, Core, Line

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from benchmarks.capacity.measured import Alone, Crowded
    from benchmarks.capacity.stations import Process
    from maskgate.capacity import Queue

    Times = npt.NDArray[np.float64]

_WARM = 0.1
"""The share of calls that come before those that count."""


def waits(queue: Queue, *, calls: int, seed: int) -> Times:
    """Return how long calls wait before their service, float64 [N] seconds."""
    env = simpy.Environment()
    line = Line(env, queue.servers)
    seconds = spread_about(queue.service.seconds, queue.service.spread, calls, np.random.default_rng([seed, 1]))
    latencies = _latencies(env, poisson_times(queue.rate, calls, seed=seed), seconds, line.work)
    return (latencies - seconds)[round(_WARM * calls) :]


def spread_about(mean: float, spread: float, count: int, chance: np.random.Generator) -> Times:
    """Draw service times of a gamma distribution, float64 [count] seconds; without spread all are the mean."""
    if not spread:
        return np.full(count, mean)
    shape = spread**-2
    return chance.gamma(shape, mean / shape, count)


def _latencies(env: simpy.Environment, times: Times, seconds: Times, work: Callable[[float], Process]) -> Times:
    """Let calls come at their times, each with its work, and return for how long each is there."""
    latencies = np.empty(len(seconds))

    def call(number: int, needs: float) -> Process:
        began = env.now
        yield from work(needs)
        latencies[number] = env.now - began

    def arrive() -> Process:
        for number, (time, needs) in enumerate(zip(times.tolist(), seconds.tolist(), strict=True)):
            yield env.timeout(time - env.now)
            env.process(call(number, needs))

    env.process(arrive())
    env.run()
    return latencies


@dataclass(frozen=True, slots=True)
class Bench:
    """The machine that the stack is measured on: two cores, with half of the gateway's work before the model's.

    What a call that is alone waits beyond its own work, it takes as part of that: the cores are as much slower.

    Attributes:
        alone: What one call costs each core.
        instances: Of the model that works.
    """

    alone: Alone
    instances: int

    def latencies(self, crowd: Crowded, *, seed: int) -> Times:
        """Return how long people wait for their answers who come when the measured ones came, float64 [N] seconds."""
        env = simpy.Environment()
        gateway = Core(env)
        batcher = Batcher(env, Core(env), instances=self.instances)
        slowness = self.alone.latency / (self.alone.gateway + self.alone.models)

        def work(seconds: float) -> Process:
            yield gateway.work(slowness * self.alone.gateway / 2)
            yield batcher.work(seconds)
            yield gateway.work(slowness * self.alone.gateway / 2)

        models = slowness * self.alone.models
        seconds = spread_about(models, self.alone.spread, crowd.calls, np.random.default_rng(seed))
        return _latencies(env, crowd.times, seconds, work)
