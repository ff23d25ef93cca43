"""Where the day's clicks find their embeddings.

A part of the fleet stands for all of it: one gateway in ten, and of the images that come to it one in some twenty, with
as much smaller caches. Hit ratios stay the same (C. Waldspurger et al., "Efficient MRC construction with SHARDS",
FAST 2015).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from benchmarks.capacity.day.story import SLOT, SLOTS
from benchmarks.capacity.shelves import Lru, OwnOrder
from maskgate.capacity.scenario import DAY, HOUR

if TYPE_CHECKING:
    import numpy.typing as npt

    from benchmarks.capacity.day.story import Story

    Counts = npt.NDArray[np.int64]

_GATEWAYS_OF_ONE: Final = 10
_LOUD: Final = 1000.0
"""Clicks of an image from which on it is there whenever it is clicked on, whatever the cache."""


@dataclass(frozen=True, slots=True)
class Sample:
    """How small the fleet is made.

    Attributes:
        gateways: So many stand for all.
        share: One image in so many is looked at.
    """

    gateways: int
    share: int

    @classmethod
    def of(cls, story: Story, *, share: int) -> Sample:
        """Take a tenth of the gateways, as many from each zone."""
        zones = story.plan.scenario.targets.zones
        return cls(max(1, round(story.plan.peak.gateways.replicas / _GATEWAYS_OF_ONE / zones)) * zones, share)

    def l1_places(self, story: Story) -> int:
        """Return the places of one gateway's L1: it has the images of more gateways, and fewer of each."""
        caches, replicas = story.plan.scenario.caches, story.plan.peak.gateways.replicas
        return round(caches.l1_bytes / caches.embedding_bytes * replicas / self.gateways / self.share)

    def redis_places(self, story: Story) -> int:
        """Return the images that fit into Redis beside the masks of the peak."""
        scenario, found = story.plan.scenario, story.plan.peak.embeddings
        each = scenario.caches.stored_bytes + scenario.demand.upload_bytes
        return round((found.redis_bytes - found.of_masks) / each / self.share)


@dataclass(frozen=True, slots=True)
class Clicks:
    """The clicks of a day on a sample of its images, in their order.

    Attributes:
        slots: In which slot each comes, int64 [N].
        images: On which image, int64 [N].
        ways: Which of its image's gateways it goes to, int64 [N].
    """

    slots: Counts
    images: Counts
    ways: Counts

    @classmethod
    def of(cls, story: Story, sample: Sample, chance: np.random.Generator) -> Clicks:
        """Draw them."""
        demand = story.plan.scenario.demand
        life = demand.clicked_for_hours * HOUR
        volumes = _volumes(story, sample)
        births = _births(story, round(len(volumes) * (1 + life / DAY)), chance)
        counts = chance.poisson(np.resize(chance.permutation(volumes), len(births)))
        times = np.repeat(births, counts) + chance.uniform(0, life, counts.sum())
        images = np.repeat(np.arange(len(births)), counts)
        order = np.argsort(times)
        order = order[(times[order] >= 0) & (times[order] < DAY)]
        ways = chance.integers(0, round(story.plan.scenario.caches.gateways_per_image), len(order))
        return cls((times[order] // SLOT).astype(np.int64), images[order], ways)


def _volumes(story: Story, sample: Sample) -> npt.NDArray[np.float64]:
    """Return the clicks of each image of the sample: the mean of those of neighbouring ranks, which it stands for.

    The loudest are made several, since those whom such an image stands for do not all come in the same half hour.
    """
    demand = story.plan.scenario.demand
    images = round(demand.images_per_day) // sample.share * sample.share
    weights = np.arange(1, images + 1, dtype=np.float64) ** -demand.zipf
    volumes: npt.NDArray[np.float64] = weights.reshape(-1, sample.share).mean(1)
    volumes *= demand.clicks_per_image / volumes.mean()
    parts = np.ceil(volumes / _LOUD).astype(np.int64)
    return np.repeat(volumes / parts, parts)


def _births(story: Story, count: int, chance: np.random.Generator) -> npt.NDArray[np.float64]:
    """Draw when images come, from a life before the day on, as the day's curve has it."""
    first = -story.plan.scenario.demand.clicked_for_hours * HOUR
    edges = np.arange(first, DAY + SLOT, SLOT)
    so_far = np.concatenate(([0.0], np.cumsum([story.factor(edge / SLOT) for edge in edges[:-1]])))
    return np.interp(chance.uniform(0, so_far[-1], count), so_far, edges)


@dataclass(frozen=True, slots=True)
class Lookups:
    """What became of the sample's clicks in each slot, int64 [SLOTS] each.

    Attributes:
        l1: Found in the gateway's memory.
        redis: Found in Redis.
        missed: Found nowhere: they ask for an encode, and get it as long as there is one to be had.
        share: One image in so many was looked at.
    """

    l1: Counts
    redis: Counts
    missed: Counts
    share: int

    @property
    def clicks(self) -> Counts:
        """All of them."""
        return self.l1 + self.redis + self.missed


def look_up(story: Story, *, share: int, seed: int) -> Lookups:
    """Send the day's clicks through the caches."""
    chance = np.random.default_rng(seed)
    sample = Sample.of(story, share=share)
    return _Fleet(story, sample).day(Clicks.of(story, sample, chance), chance)


class _Fleet:
    """The caches of the sample."""

    def __init__(self, story: Story, sample: Sample) -> None:
        self._story = story
        self._sample = sample
        self._l1 = [OwnOrder(sample.l1_places(story)) for _ in range(sample.gateways)]
        self._redis = Lru(sample.redis_places(story))
        self._found = np.zeros((3, SLOTS), np.int64)

    def day(self, clicks: Clicks, chance: np.random.Generator) -> Lookups:
        """Look every click's image up."""
        edges = np.searchsorted(clicks.slots, np.arange(SLOTS + 1))
        homes = chance.integers(0, self._sample.gateways, clicks.images.max() + 1)
        for slot in range(SLOTS):
            part = slice(edges[slot], edges[slot + 1])
            self._slot(slot, clicks.images[part], homes[clicks.images[part]] + clicks.ways[part])
        l1, redis, missed = self._found
        return Lookups(l1, redis, missed, self._sample.share)

    def _slot(self, slot: int, images: Counts, gateways: Counts) -> None:
        zone, redis = self._story.zone.covers(slot), self._story.redis.covers(slot)
        self._forget(slot)
        gateways = self._present(gateways % self._sample.gateways) if zone else gateways % self._sample.gateways
        encodes = self._encodes(slot)
        found = self._found[:, slot]
        for image, gateway in zip(images.tolist(), gateways.tolist(), strict=True):
            l1 = self._l1[gateway]
            if l1.find(image):
                found[0] += 1
            elif not redis and self._redis.find(image):
                found[1] += 1
                l1.put(image)
            else:
                found[2] += 1
                if found[2] <= encodes:
                    l1.put(image)
                    if not redis:
                        self._redis.put(image)

    def _present(self, gateways: Counts) -> Counts:
        """Send the clicks of the zone that is away, the last of them, to the others in turn."""
        there = self._story.left(self._sample.gateways, round(self._story.zone.begins * HOUR / SLOT))
        moved: Counts = np.where(gateways < there, gateways, gateways * 7 % there)
        return moved

    def _encodes(self, slot: int) -> float:
        """Return how many encodes are to be had in a slot."""
        encoders = self._story.plan.peak.encoders
        return self._story.left(encoders.replicas, slot) / encoders.load.service.seconds * SLOT / self._sample.share

    def _forget(self, slot: int) -> None:
        """Empty what comes back from being away."""
        if self._story.zone.covers(slot - 1) and not self._story.zone.covers(slot):
            for l1 in self._l1[self._story.left(self._sample.gateways, slot - 1) :]:
                l1.clear()
        if self._story.redis.covers(slot - 1) and not self._story.redis.covers(slot):
            self._redis.clear()
