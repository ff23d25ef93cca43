"""Fewer points for an outline, by the rule of Ramer (1972) and of Douglas and Peucker (1973)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_Integers = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]


def simplify(ring: _Integers, tolerance: float) -> _Integers:
    """Return those points of a closed ring [n, 2] without which it would move by more than `tolerance`.

    Every point that is left out lies within `tolerance` of the edge that replaces it. The ring is cut at its first
    point and at the point farthest from that, which are both kept. All edges are looked at in each round, and most
    outlines take a dozen rounds: an edge at a time takes two to four times as long.
    """
    offsets = ring - ring[0]
    closed = np.concatenate((ring, ring[:1]))
    kept = np.zeros(len(closed), np.bool_)
    kept[[0, (offsets * offsets).sum(axis=1).argmax(), -1]] = True
    while (found := _farthest(closed, np.flatnonzero(kept), tolerance)).size:
        kept[found] = True
    return ring[kept[:-1]]


def _farthest(points: _Integers, kept: _Integers, tolerance: float) -> _Integers:
    """Find the point that is farthest from the edge between the kept ones around it, where it is too far for it."""
    lengths = np.diff(kept)
    edges = np.repeat(np.arange(lengths.size), lengths)
    distances = _distances(points[:-1], points[kept[edges]], points[kept[edges + 1]])
    largest = np.maximum.reduceat(distances, kept[:-1])[edges]
    candidates = np.flatnonzero((distances == largest) & (largest > tolerance))
    _, first = np.unique(edges[candidates], return_index=True)
    return candidates[first]


def _distances(points: _Integers, starts: _Integers, ends: _Integers) -> _Floats:
    """Return the distance of each point [n, 2] from its edge, whose ends are included."""
    along, offsets = ends - starts, points - starts
    squared = np.maximum((along * along).sum(axis=1), 1)  # of an edge without length, any part is its start
    part = np.clip((offsets * along).sum(axis=1) / squared, 0.0, 1.0)
    across = offsets - part[:, None] * along
    distances: _Floats = np.hypot(across[:, 0], across[:, 1])
    return distances
