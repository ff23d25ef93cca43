"""The day as it was simulated: its figures, slot by slot, and what they have to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from benchmarks.capacity.checks import Check
from benchmarks.capacity.day.lines import Encoding, click_waits, encode_all
from benchmarks.capacity.day.lookups import Lookups, look_up
from benchmarks.capacity.day.story import SLOT, SLOTS, Outage
from maskgate.capacity.scenario import HOUR

if TYPE_CHECKING:
    import numpy.typing as npt

    from benchmarks.capacity.day.story import Story

    Figures = npt.NDArray[np.float64]
    Slots = npt.NDArray[np.bool_]


_AS_GOOD_AS: Final = 0.97


@dataclass(frozen=True, slots=True)
class Day:
    """A day.

    Attributes:
        story: What was asked, and what failed.
        lookups: Where clicks found their embeddings.
        encoding: What became of encodes.
        click_wait: The p99 of a click's wait in each slot, float64 [SLOTS] seconds.
    """

    story: Story
    lookups: Lookups
    encoding: Encoding
    click_wait: Figures

    @property
    def hours(self) -> Figures:
        """The middle of each slot, float64 [SLOTS]."""
        return np.asarray((np.arange(SLOTS) + 0.5) * SLOT / HOUR, np.float64)

    @property
    def clicks(self) -> Figures:
        """Clicks a second in each slot, float64 [SLOTS]."""
        return np.asarray(self.lookups.clicks * self.lookups.share / SLOT, np.float64)

    @property
    def undisturbed(self) -> Slots:
        """Which slots are not those of an outage, or of the hour after, in which caches fill again."""
        outages = (self.story.zone, self.story.redis)
        return ~np.any([self.during(Outage(outage.begins, outage.ends + 1)) for outage in outages], axis=0)

    @property
    def busiest(self) -> Slots:
        """Which undisturbed slots have as good as the peak's demand."""
        factors = np.array([self.story.factor(slot) for slot in range(SLOTS)])
        return self.undisturbed & (factors > _AS_GOOD_AS * self.story.plan.peak.factor)

    def during(self, outage: Outage) -> Slots:
        """Return which slots an outage has."""
        return np.array([outage.covers(slot) for slot in range(SLOTS)])


def live_through(story: Story, *, share: int, seed: int) -> Day:
    """Simulate a day; one image in `share` is looked at where caches are concerned."""
    lookups = look_up(story, share=share, seed=seed)
    return Day(story, lookups, encode_all(story, lookups, seed=seed), click_waits(story, lookups, seed=seed))


def check_day(day: Day) -> list[Check]:
    """Compare the day with the plan."""
    calm, zone = day.undisturbed, day.during(day.story.zone)
    return [*_check_peak(day), *_check_aims(day, calm, "undisturbed"), *_check_aims(day, zone, "a zone away")]


def _check_peak(day: Day) -> list[Check]:
    found, lookups, busiest = day.story.plan.peak.embeddings, day.lookups, day.busiest
    clicks, name = lookups.clicks[busiest].sum(), "a day's peak: share of clicks"
    return [
        Check("a day's peak: clicks a second", found.clicks, float(day.clicks[busiest].mean())),
        Check(f"{name} found in L1", found.from_l1 / found.clicks, lookups.l1[busiest].sum() / clicks),
        Check(f"{name} found in Redis", found.from_redis / found.clicks, lookups.redis[busiest].sum() / clicks),
        Check(f"{name} to be encoded", found.encodes / found.clicks, lookups.missed[busiest].sum() / clicks),
    ]


def _check_aims(day: Day, slots: Slots, when: str) -> list[Check]:
    """Look whether waits are what the plan aims at; a click has two, so its bound is both together."""
    targets, encoding = day.story.plan.scenario.targets, day.encoding
    encode_wait, click_wait = 1e3 * encoding.wait[slots].max(), 1e3 * day.click_wait[slots].max()
    return [
        Check.at_most(f"a day, {when}: encodes given up", 0, float(encoding.given_up[slots].sum())),
        Check.at_most(f"a day, {when}: longest p99 of an encode's wait, ms", targets.encode_wait_ms, encode_wait),
        Check.at_most(f"a day, {when}: longest p99 of a click's waits, ms", 2 * targets.click_wait_ms, click_wait),
    ]
