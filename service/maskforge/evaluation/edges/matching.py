"""Pairs pixels of two edge maps: as many as can be, each once, no farther apart than a tolerance.

The benchmark of BSDS500 solves an assignment problem that prefers near pairs, with a price for pixels left alone that
is far above any distance; how many pairs there are is what counts. Here it is the largest matching of the bipartite
graph: first near pairs greedily, then augmenting paths from all lonely pixels at once (a breadth-first forest whose
trees are disjoint, so that each tree may flip a path), until there is none: then the matching is the largest (Berge
1957).
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from maskforge.annotations import BoolMask

Indices = npt.NDArray[np.int32]
NOBODY: Final = -1


class Matching(NamedTuple):
    """Which pixels have a partner: bool [h,w] each."""

    left: BoolMask
    right: BoolMask


def match(left: BoolMask, right: BoolMask, tolerance: float) -> Matching:
    """Pair pixels of two sets bool [h,w] that are at most `tolerance` pixels apart."""
    pairs = _Pairs.greedy(_neighbours(left, right, tolerance), int(right.sum()))
    while pairs.augment():
        pass
    return Matching(_drawn(left, pairs.of_left), _drawn(right, pairs.of_right))


@dataclass(slots=True)
class _Pairs:
    """A matching that grows.

    Attributes:
        near: int32 [lefts, offsets], the right pixels that each left one may have, nearest first.
        of_left: int32 [lefts], each one's partner.
        of_right: int32 [rights], each one's partner.
    """

    near: Indices
    of_left: Indices
    of_right: Indices

    @classmethod
    def greedy(cls, near: Indices, rights: int) -> "_Pairs":
        """Pair what is nearest first. Within one offset no two left pixels want the same right one."""
        pairs = cls(near, np.full(len(near), NOBODY, np.int32), np.full(rights, NOBODY, np.int32))
        for wanted in near.T:
            free = np.flatnonzero((wanted != NOBODY) & (pairs.of_left == NOBODY))
            free = free[pairs.of_right[wanted[free]] == NOBODY]
            pairs.join(free.astype(np.int32), wanted[free])
        return pairs

    def join(self, lefts: Indices, rights: Indices) -> None:
        self.of_left[lefts] = rights
        self.of_right[rights] = lefts

    def augment(self) -> bool:
        """Grow by one pair for each tree that reaches a lonely right pixel; False where none does."""
        forest = _Forest(self)
        while forest.grow():
            pass
        ends = forest.ends[forest.ends != NOBODY]
        self._flip(ends, forest.parents)
        return bool(len(ends))

    def _flip(self, rights: Indices, parents: Indices) -> None:
        """Go back from the ends of the paths to their roots, and swap who is paired with whom."""
        while len(rights):
            lefts = parents[rights]
            before = self.of_left[lefts]
            self.join(lefts, rights)
            rights = before[before != NOBODY]


class _Forest:
    """Alternating paths from every lonely left pixel; each pixel is in one tree at most.

    `ends` holds the lonely right pixel that the tree of each left pixel reached, `parents` the left pixel from which
    each right one was reached.
    """

    def __init__(self, pairs: _Pairs) -> None:
        lonely = (pairs.of_left == NOBODY) & (pairs.near != NOBODY).any(1)
        self._pairs = pairs
        self._frontier: Indices = np.flatnonzero(lonely).astype(np.int32)
        self._roots = np.arange(len(pairs.of_left), dtype=np.int32)
        self.ends = np.full(len(pairs.of_left), NOBODY, np.int32)
        self.parents = np.full(len(pairs.of_right), NOBODY, np.int32)

    def grow(self) -> bool:
        """Add a layer; False where there is nothing to add."""
        reached = self._reach()
        lefts, partners = self.parents[reached], self._pairs.of_right[reached]
        done = partners == NOBODY
        self.ends[self._roots[lefts[done]]] = reached[done]
        self._roots[partners[~done]] = self._roots[lefts[~done]]
        self._frontier = partners[~done]
        self._frontier = self._frontier[self.ends[self._roots[self._frontier]] == NOBODY]
        return bool(len(self._frontier))

    def _reach(self) -> Indices:
        """Return the right pixels that are new, each with one parent."""
        wanted = self._pairs.near[self._frontier]
        rows, columns = np.nonzero(wanted != NOBODY)
        rights, lefts = wanted[rows, columns], self._frontier[rows]
        new = self.parents[rights] == NOBODY
        rights, lefts = rights[new], lefts[new]
        self.parents[rights] = lefts  # of several the last
        return rights[self.parents[rights] == lefts]


def _neighbours(left: BoolMask, right: BoolMask, tolerance: float) -> Indices:
    """Return for each left pixel the numbers of the right ones in reach, nearest first: int32 [lefts, offsets]."""
    reach = int(tolerance)
    numbers = np.full((right.shape[0] + 2 * reach, right.shape[1] + 2 * reach), NOBODY, np.int32)
    inner = numbers[reach : reach + right.shape[0], reach : reach + right.shape[1]]
    inner[right] = np.arange(int(right.sum()), dtype=np.int32)
    rows, columns = np.nonzero(left)
    down, across = _offsets(tolerance)
    return numbers[rows[:, None] + down + reach, columns[:, None] + across + reach]


def _offsets(tolerance: float) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the steps (down, across) of a disc, shortest first."""
    reach = int(tolerance)
    down, across = (axis.ravel() for axis in np.mgrid[-reach : reach + 1, -reach : reach + 1])
    distance = np.hypot(down, across)
    order = np.argsort(distance, kind="stable")
    order = order[distance[order] <= tolerance]
    return down[order], across[order]


def _drawn(mask: BoolMask, partners: Indices) -> BoolMask:
    paired = np.zeros_like(mask)
    paired[mask] = partners != NOBODY
    return paired
