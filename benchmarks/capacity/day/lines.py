"""How long the day's calls wait: every encode of the fleet, and clicks of one gateway and one decoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import simpy

from benchmarks.capacity.day.story import SLOT, SLOTS
from benchmarks.capacity.queues import spread_about, waits
from maskgate.capacity import Queue
from maskgate.capacity.scenario import DAY

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from benchmarks.capacity.day.lookups import Lookups
    from benchmarks.capacity.day.story import Story
    from benchmarks.capacity.stations import Process

    Figures = npt.NDArray[np.float64]

_CLICKS: Final = 1500
"""Of a slot, at one gateway and at one decoder."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """What became of the encodes that were asked for in each slot, [SLOTS] each.

    Attributes:
        asked: How many they were.
        given_up: Those that nobody wanted to wait for any longer.
        wait: The p99 of the others' waits, in seconds.
        busy: Share of the time of the encoders that were there.
    """

    asked: npt.NDArray[np.int64]
    given_up: npt.NDArray[np.int64]
    wait: Figures
    busy: Figures


class _Encoders:
    """Encoders who take what has waited longest, one after the other.

    Arrivals are drawn slot by slot and lie in a line, rather than being events of their own: there are millions.
    """

    def __init__(self, story: Story, lookups: Lookups, chance: np.random.Generator) -> None:
        self._story = story
        self._env = simpy.Environment()
        self._chance = chance
        self._line = self._arrivals(lookups)
        self.waits: list[list[float]] = [[] for _ in range(SLOTS)]
        self.asked, self.given_up = np.zeros(SLOTS, np.int64), np.zeros(SLOTS, np.int64)
        self.worked = np.zeros(SLOTS)

    def run(self) -> None:
        """Let them work for the day."""
        for number in range(self._story.plan.peak.encoders.replicas):
            self._env.process(self._encoder(number))
        self._env.run(until=DAY)

    def _arrivals(self, lookups: Lookups) -> Iterator[tuple[float, float, int]]:
        """Draw when each encode is asked for, how long it takes, and in which slot that is."""
        service = self._story.plan.peak.encoders.load.service
        for slot in range(SLOTS):
            count = self._chance.poisson(lookups.missed[slot] * lookups.share)
            self.asked[slot] = count
            times = slot * SLOT + np.sort(self._chance.uniform(0, SLOT, count))
            seconds = spread_about(service.seconds, service.spread, count, self._chance)
            yield from ((time, takes, slot) for time, takes in zip(times.tolist(), seconds.tolist(), strict=True))

    def _encoder(self, number: int) -> Process:
        env, patience = self._env, self._story.patience
        for time, takes, slot in self._line:
            wait = max(0.0, env.now - time)
            if wait > patience:
                self.given_up[slot] += 1
                continue
            self.waits[slot].append(wait)
            yield env.timeout(max(0.0, time - env.now) + takes)
            self.worked[slot] += takes
            now = int(env.now // SLOT)
            if number >= self._story.left(self._story.plan.peak.encoders.replicas, min(now, SLOTS - 1)):
                yield env.timeout(self._story.zone.ends * 3600 - env.now)


def encode_all(story: Story, lookups: Lookups, *, seed: int) -> Encoding:
    """Simulate every encode of the day."""
    encoders = _Encoders(story, lookups, np.random.default_rng(seed))
    encoders.run()
    there = np.array([story.left(story.plan.peak.encoders.replicas, slot) for slot in range(SLOTS)])
    wait = np.array([np.quantile(waited, 0.99) if waited else 0.0 for waited in encoders.waits])
    return Encoding(encoders.asked, encoders.given_up, wait, encoders.worked / SLOT / there)


def click_waits(story: Story, lookups: Lookups, *, seed: int) -> Figures:
    """Return the p99 of what a click waits at its gateway and its decoder together, float64 [SLOTS] seconds."""
    return np.array([_click_wait(story, lookups, slot, seed) for slot in range(SLOTS)])


def _click_wait(story: Story, lookups: Lookups, slot: int, seed: int) -> float:
    peak, rate = story.plan.peak, lookups.clicks[slot] * lookups.share / SLOT
    lines = [
        Queue(rate / story.left(tier.replicas, slot), tier.load.service, 1) for tier in (peak.gateways, peak.decoders)
    ]
    together = sum(waits(line, calls=_CLICKS, seed=seed + SLOTS * turn + slot) for turn, line in enumerate(lines))
    return float(np.quantile(together, story.plan.scenario.targets.share))
