"""How many clicks each image gets: a few get very many (Zipf's law)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

_SINGLE = 1000
"""The first ranks are told apart; further ones go together in groups."""
_GROUPS = 400


@dataclass(frozen=True, slots=True)
class Popularity:
    """Images in groups that are about equally popular.

    Attributes:
        images: How many are in each group, float64 [N].
        clicks: The clicks that each of its images gets on average, float64 [N].
    """

    images: Array
    clicks: Array

    @classmethod
    def zipf(cls, images: int, *, exponent: float, clicks: float) -> Popularity:
        """Let the image of rank n get clicks in proportion to n ** -exponent.

        Args:
            images: How many there are, from 1.
            exponent: 0: all get the same; L. Breslau et al., INFOCOM 1999, saw .64 to .83 on the web.
            clicks: All that they get together.
        """
        starts = _starts(images)
        sizes = np.diff(np.append(starts, images + 1)).astype(np.float64)
        weights = _weights(starts, sizes, exponent)
        return cls(sizes, weights / sizes * (clicks / weights.sum()))

    @property
    def mean(self) -> float:
        """Clicks that an image gets, on average over images."""
        return float(self.total / self.images.sum())

    @property
    def total(self) -> float:
        """Clicks of all images."""
        return float(self.images @ self.clicks)


def _starts(images: int) -> Array:
    """Return the first rank of each group, float64 [N]."""
    singles = np.arange(1, min(images, _SINGLE) + 1, dtype=np.float64)
    if images <= _SINGLE:
        return singles
    edges = np.unique(np.geomspace(_SINGLE + 1, images + 1, _GROUPS + 1).round())
    return np.append(singles, edges[:-1])


def _weights(starts: Array, sizes: Array, exponent: float) -> Array:
    """Sum rank ** -exponent over each group, float64 [N].

    By the midpoint rule, which is off by a millionth from rank 1000 on.
    """
    grouped = starts > _SINGLE
    low, high = starts - 0.5, starts + sizes - 0.5
    if exponent == 1:
        integral = np.log(high / low)
    else:
        integral = (high ** (1 - exponent) - low ** (1 - exponent)) / (1 - exponent)
    weights: Array = np.where(grouped, integral, starts**-exponent)
    return weights
