"""Clicks on images that come, are clicked on for a while, and are left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from maskgate.capacity import Passing


@dataclass(frozen=True, slots=True)
class Trace:
    """Clicks in the order in which they come.

    Attributes:
        times: When, in seconds from the start, float64 [N], rising.
        images: On which image, int64 [N], numbered as they are born.
    """

    times: npt.NDArray[np.float64]
    images: npt.NDArray[np.int64]

    @classmethod
    def of(cls, traffic: Passing, *, seconds: float, seed: int) -> Trace:
        """Draw the clicks of so many seconds on images that are born in these and in a life before.

        So images are as many and as old from the first second on as they are later.
        """
        chance = np.random.default_rng(seed)
        early = traffic.seconds
        births = np.sort(chance.uniform(-early, seconds, chance.poisson(traffic.births * (seconds + early))))
        groups = chance.choice(len(traffic.popularity.images), len(births), p=_shares(traffic))
        clicks = chance.poisson(traffic.popularity.clicks[groups])
        times = np.repeat(births, clicks) + chance.uniform(0, traffic.seconds, clicks.sum())
        images = np.repeat(np.arange(len(births)), clicks)
        order = np.argsort(times)
        order = order[(times[order] >= 0) & (times[order] < seconds)]
        return cls(times[order], images[order])

    def __len__(self) -> int:
        return len(self.times)


def _shares(traffic: Passing) -> npt.NDArray[np.float64]:
    shares: npt.NDArray[np.float64] = traffic.popularity.images / traffic.popularity.images.sum()
    return shares
