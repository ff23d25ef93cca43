"""Outlines of masks: polygons with holes, along the edges of pixels.

The convention is that of boxes: (0, 0) is the image's top left corner, (width, height) its bottom right one, and a
single pixel is a square of side 1. Pixels that share a corner alone are no neighbours (a part is 4-connected), so every
ring is simple: none meets itself, though two may share a corner, and every polygon is valid as OGC Simple Features has
it.

Corners are found for all pixels at once. Along each line of the grid they are the ends, in turn, of the outline's
edges; so each corner has one partner in its row and one in its column, and following partners in turn walks the rings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from maskgate.domain.simplify import simplify

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from maskgate.domain.runs import Runs, Window

_Integers = npt.NDArray[np.int64]
_Bools = npt.NDArray[np.bool_]
_FEWEST_POINTS = 3

Ring = tuple[int, ...]
"""x and y in turn, in pixels; the last point is joined to the first and not repeated."""


@dataclass(frozen=True, slots=True)
class Polygon:
    """One part of a mask.

    Attributes:
        exterior: The outline, clockwise as seen on a screen.
        holes: Counter-clockwise.
        area: Pixels of the part, before anything is simplified or left out.
    """

    exterior: Ring
    holes: tuple[Ring, ...]
    area: int


def polygons(runs: Runs, *, tolerance: float = 0.0, min_area: int = 0) -> tuple[Polygon, ...]:
    """Return the parts of a mask, the largest first.

    Args:
        runs: The mask.
        tolerance: How far, in pixels, a simplified outline may lie from the true one. 0: nothing is simplified. Rings
            of which no area is left are left out, and rings may then touch or cross each other.
        min_area: Parts and holes of fewer pixels are left out.
    """
    window = runs.window()
    if window is None:
        return ()
    corners = _Corners.of(window)
    rings = [corners.points[ring] for ring in corners.rings()]
    areas = [_signed_area(ring) for ring in rings]
    parts = _parts(rings, areas)
    found = (_Part(rings, areas, exterior, holes) for exterior, holes in parts.items())
    kept = (part.polygon(tolerance, min_area) for part in found if part.area >= min_area)
    return tuple(sorted(filter(None, kept), key=lambda polygon: -polygon.area))


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a mask, by the numbers of its rings."""

    rings: Sequence[_Integers]
    areas: Sequence[int]
    exterior: int
    holes: Sequence[int]

    @property
    def area(self) -> int:
        return self.areas[self.exterior] + sum(self.areas[hole] for hole in self.holes)

    def polygon(self, tolerance: float, min_area: int) -> Polygon | None:
        exterior = _written(self.rings[self.exterior], tolerance)
        holes = (_written(self.rings[hole], tolerance) for hole in self.holes if -self.areas[hole] >= min_area)
        return Polygon(exterior, tuple(filter(None, holes)), self.area) if exterior else None


def _written(ring: _Integers, tolerance: float) -> Ring:
    """Write a ring, simplified; one of which no area is left is empty."""
    if tolerance:
        ring = simplify(ring, tolerance)
    is_area = len(ring) >= _FEWEST_POINTS and _signed_area(ring)
    return tuple(ring.ravel().tolist()) if is_area else ()


def _signed_area(ring: _Integers) -> int:
    """Return the pixels inside a ring [n, 2], below 0 where it is counter-clockwise on a screen (the shoelace rule)."""
    x, y = ring.T
    return int(x @ np.roll(y, -1) - y @ np.roll(x, -1)) // 2


@dataclass(frozen=True, slots=True, eq=False)
class _Corners:
    """The corners of a mask's outline, down the columns. Where two pixels share a corner alone, it is there twice.

    Attributes:
        points: int64 [n, 2], (x, y).
        successors: int64 [n], the next corner of its ring, with the mask on the right hand.
    """

    points: _Integers
    successors: _Integers

    @classmethod
    def of(cls, window: Window) -> _Corners:
        columns = np.pad(window.pixels.T, 1)
        x, y = _corners_of(columns)
        above_left, below_left, above_right, below_right = (columns[x + i, y + j] for i in (0, 1) for j in (0, 1))
        is_crossing = (above_left == below_right) & (above_right == below_left)
        which = np.repeat(np.arange(x.size), 1 + is_crossing)
        # Of a crossing the first is joined with the corner above it, the second with that below; and each with the one
        # to the right if the pixel between the two edges is set.
        is_second = np.diff(which, prepend=-1) == 0
        goes_right = np.where(is_second, below_right[which], above_right[which])
        points = np.stack((x, y), axis=1)[which]
        successors = _successors(points, goes_right, is_top=below_right[which])
        return cls(points + np.array([window.left, window.top]), successors)

    def rings(self) -> Iterator[list[int]]:
        """Walk every ring once; one that comes back to a crossing ends there, and the rest of it goes on."""
        successors, points = self.successors.tolist(), list(map(tuple, self.points.tolist()))
        is_done = [False] * len(points)
        for start in range(len(points)):
            path: list[int] = []
            passed: dict[tuple[int, ...], int] = {}
            corner = start
            while not is_done[corner]:
                is_done[corner] = True
                since = passed.get(points[corner])
                if since is not None:
                    yield path[since:]
                    del path[since:]
                passed[points[corner]] = len(path)
                path.append(corner)
                corner = successors[corner]
            if path:
                yield path


def _corners_of(columns: _Bools) -> tuple[_Integers, _Integers]:
    """Find the corners of a mask [w + 2, h + 2] with an empty border: where both a row's and a column's edge end."""
    across = columns[:, :-1] != columns[:, 1:]
    along = columns[:-1] != columns[1:]
    is_corner = (across[:-1] | across[1:]) & (along[:, :-1] | along[:, 1:])
    x, y = np.divmod(np.flatnonzero(is_corner), is_corner.shape[1])
    return x, y


def _successors(points: _Integers, goes_right: _Bools, *, is_top: _Bools) -> _Integers:
    """Return each corner's next: its partner in the row or in the column, in turn.

    Args:
        points: int64 [n, 2], ordered by column and row; partners in a column are neighbours.
        goes_right: Of two corners at one place, which one the edge to the right belongs to.
        is_top: Whether the edge to the right has the mask below it; then it is walked to the right.
    """
    x, y = points.T
    left, right = np.lexsort((goes_right, x, y)).reshape(-1, 2).T
    successors = np.arange(len(points)) ^ 1
    starts, ends = np.where(is_top[left], (left, right), (right, left))
    successors[starts] = ends
    return successors


def _parts(rings: Sequence[_Integers], areas: Sequence[int]) -> dict[int, list[int]]:
    """Return the holes of each exterior, by their numbers.

    Up from the top edge of a hole the mask is set until the next edge. That one is of the part's exterior, or of a hole
    of the same part which lies higher.
    """
    parts: dict[int, list[int]] = {number: [] for number, area in enumerate(areas) if area > 0}
    holes = [number for number, area in enumerate(areas) if area < 0]
    if not holes:
        return parts
    above = _rings_above(rings, holes)
    exterior_of = {number: number for number in parts}
    for hole in sorted(holes, key=lambda number: int(rings[number][:, 1].min())):
        exterior_of[hole] = exterior_of[above[hole]]
        parts[exterior_of[hole]].append(hole)
    return parts


def _rings_above(rings: Sequence[_Integers], holes: Sequence[int]) -> dict[int, int]:
    """Return, for each of the holes, the ring that is next above its top edge."""
    height = 1 + max(int(ring[:, 1].max()) for ring in rings)
    edges = [_horizontal_edges(ring, height) for ring in rings]
    owners = np.repeat(np.arange(len(rings)), [len(one) for one in edges])
    places = np.concatenate(edges)
    order = np.argsort(places, kind="stable")
    tops = np.array([_top_edge(rings[hole], height) for hole in holes])
    nearest = np.searchsorted(places[order], tops) - 1
    return dict(zip(holes, owners[order][nearest].tolist(), strict=True))


def _horizontal_edges(ring: _Integers, height: int) -> _Integers:
    """Return a ring's edges along rows, one for each pixel, as x * height + y of their left ends."""
    following = np.roll(ring, -1, axis=0)
    is_across = following[:, 1] == ring[:, 1]
    left, right = np.minimum(ring, following)[is_across], np.maximum(ring, following)[is_across]
    lengths = right[:, 0] - left[:, 0]
    steps = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    places: _Integers = (np.repeat(left[:, 0], lengths) + steps) * height + np.repeat(left[:, 1], lengths)
    return places


def _top_edge(ring: _Integers, height: int) -> int:
    """Return the leftmost of a ring's highest edges, as `_horizontal_edges` does: it starts at a corner."""
    x, y = ring[np.lexsort((ring[:, 0], ring[:, 1]))[0]]
    return int(x * height + y)
