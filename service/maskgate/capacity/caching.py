"""How many calls find what they want in a cache of limited size.

Che's approximation (H. Che, Y. Tung, Z. Wang, IEEE JSAC 20(7), 2002; why it is so good: C. Fricker, P. Robert,
J. Roberts, ITC 24, 2012): in a cache that forgets what was not used for longest, all things stay for the same time
after their last use, its lifetime. So a thing is there if it was asked for within that time, and the lifetime is the
one with which the cache is just full.

Images come, are clicked on for a while, and are left: `Passing` is Che's approximation under shot noise (S. Traverso et
al., ACM CCR 43(5), 2013). It counts each image's first click, which no cache spares.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from maskgate.capacity.popularity import Popularity

_SHORTEST, _LONGEST = 1e-6, 1e10
"""Seconds between which a lifetime is looked for."""
_STEPS = 60


class Traffic(Protocol):
    """Requests for things, by the time that a cache keeps each after its last use."""

    @property
    def requests(self) -> float:
        """All of them, a second."""
        ...

    def misses(self, lifetime: float) -> float:
        """Return those that do not find their thing, a second."""
        ...

    def held(self, lifetime: float) -> float:
        """Return how many things are kept at once, on average."""
        ...


@dataclass(frozen=True, slots=True)
class Standing:
    """Things that are always asked for, each at a rate of its own.

    Attributes:
        popularity: How often each is asked for in a second.
    """

    popularity: Popularity

    @property
    def requests(self) -> float:
        """See Traffic."""
        return self.popularity.total

    def misses(self, lifetime: float) -> float:
        """See Traffic."""
        rates = self.popularity.clicks
        return float(self.popularity.images @ (rates * np.exp(-rates * lifetime)))

    def held(self, lifetime: float) -> float:
        """See Traffic."""
        return float(self.popularity.images @ -np.expm1(-self.popularity.clicks * lifetime))


@dataclass(frozen=True, slots=True)
class Passing:
    """Things that come, are asked for at an even rate for a while, and are left.

    Attributes:
        births: Things that come in a second.
        popularity: How often each is asked for altogether; only the proportions of its numbers of images count.
        seconds: For how long each is asked for.
    """

    births: float
    popularity: Popularity
    seconds: float

    @property
    def requests(self) -> float:
        """See Traffic."""
        return self.births * self.popularity.mean

    def misses(self, lifetime: float) -> float:
        """See Traffic. A request misses if its thing was not asked for in the lifetime before, or since it came."""
        within = min(lifetime, self.seconds)
        rates = self.popularity.clicks / self.seconds
        first = -np.expm1(-rates * within)
        later = rates * (self.seconds - within) * np.exp(-rates * within)
        return self.births * self._mean_of(first + later)

    def held(self, lifetime: float) -> float:
        """See Traffic. The time for which a thing was asked for in the lifetime before, times the births (Little)."""
        within, beyond = min(lifetime, self.seconds), abs(lifetime - self.seconds)
        rates = self.popularity.clicks / self.seconds
        there = -np.expm1(-rates * within)
        return self.births * self._mean_of(2 * (within - there / rates) + beyond * there)

    def spread_over(self, caches: int, *, ways: int) -> Passing:
        """Return what one of several caches sees, if the requests for a thing go to so many of them, by chance."""
        spread = min(ways, caches)
        thinned = type(self.popularity)(self.popularity.images, self.popularity.clicks / spread)
        return Passing(self.births * spread / caches, thinned, self.seconds)

    def _mean_of(self, each: np.typing.NDArray[np.float64]) -> float:
        return float(self.popularity.images @ each / self.popularity.images.sum())


def lifetime(size_at: Callable[[float], float], room: float) -> float:
    """Return for how many seconds after its last use a thing stays in a cache.

    Args:
        size_at: What the cache would hold if things stayed that long, in the unit of `room`; grows with the time.
        room: What it can hold.

    Returns:
        Infinite where there is room for everything for ever.
    """
    if size_at(_LONGEST) <= room:
        return inf
    low, high = _SHORTEST, _LONGEST
    for _ in range(_STEPS):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if size_at(middle) <= room else (low, middle)
    return low


def hit_ratio(traffic: Traffic, places: float) -> float:
    """Return the share of requests that find their thing in an LRU cache of so many places."""
    kept = lifetime(traffic.held, places)
    return 1 - traffic.misses(min(kept, _LONGEST)) / traffic.requests
