from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskgate.domain.outline import Polygon, Ring, polygons
from maskgate.domain.runs import Runs
from maskgate.domain.simplify import simplify

Bools = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]


def mask_of(picture: str) -> Bools:
    """Draws a mask: # is set, rows are separated by blanks."""
    return np.array([[pixel == "#" for pixel in row] for row in picture.split()])


def filled(shape: tuple[int, int], rings: list[Ring]) -> Bools:
    """Rasterise by the even-odd rule: every vertical edge turns the pixels to its right over."""
    mask = np.zeros(shape, np.bool_)
    for x, first, last in (edge for ring in rings for edge in vertical_edges(ring)):
        mask[min(first, last) : max(first, last), x:] ^= True
    return mask


def vertical_edges(ring: Ring) -> list[tuple[int, int, int]]:
    corners = corners_of(ring)
    return [(x, y, next_y) for (x, y), (next_x, next_y) in pairwise([*corners, corners[0]]) if x == next_x]


def corners_of(ring: Ring) -> list[tuple[int, int]]:
    return list(zip(ring[::2], ring[1::2], strict=True))


def rings_of(found: tuple[Polygon, ...]) -> list[Ring]:
    return [ring for polygon in found for ring in (polygon.exterior, *polygon.holes)]


def area_of(ring: Ring) -> int:
    """Above 0 where the ring is clockwise on a screen."""
    corners = corners_of(ring)
    return sum(x * next_y - y * next_x for (x, y), (next_x, next_y) in pairwise([*corners, corners[0]])) // 2


def parts_of(mask: Bools) -> list[Bools]:
    """The 4-connected parts, by flooding."""
    left, parts = set(map(tuple, np.argwhere(mask).tolist())), []
    while left:
        part, pending = np.zeros_like(mask), [left.pop()]
        while pending:
            row, column = pending.pop()
            part[row, column] = True
            beside = {(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)} & left
            left -= beside
            pending += beside
        parts.append(part)
    return parts


@st.composite
def masks(draw: st.DrawFn) -> Bools:
    """Masks of all densities, up to a checkerboard's worth of crossings."""
    height, width = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    density = draw(st.sampled_from([0.0, 0.1, 0.4, 0.5, 0.6, 0.8, 0.95, 1.0]))
    seed = draw(st.integers(0, 2**32 - 1))
    return np.random.default_rng(seed).random((height, width)) < density


def test_a_rectangle_is_its_four_corners() -> None:
    """The outline lies on the edges of pixels, clockwise, as the box's convention has it."""
    mask = mask_of("..... .###. .###.")

    assert (Polygon((1, 1, 4, 1, 4, 3, 1, 3), (), 6),) == polygons(Runs.of(mask))


def test_orientation_of_the_axes() -> None:
    """An F is written as an F is drawn: x goes right, y goes down."""
    mask = mask_of("#### #... ###. #... #...")

    (letter,) = polygons(Runs.of(mask))

    assert (0, 0, 4, 0, 4, 1, 1, 1, 1, 2, 3, 2, 3, 3, 1, 3, 1, 5, 0, 5) == letter.exterior
    assert 4 + 1 + 3 + 1 + 1 == letter.area


def test_an_empty_mask_has_no_parts() -> None:
    """Nothing has no outline."""
    assert () == polygons(Runs.of(np.zeros((3, 5), np.bool_)))


def test_a_full_mask_is_the_image() -> None:
    """What reaches the borders of the image is closed along them."""
    assert (Polygon((0, 0, 5, 0, 5, 3, 0, 3), (), 15),) == polygons(Runs.of(np.ones((3, 5), np.bool_)))


def test_holes_belong_to_the_part_around_them() -> None:
    """An island in a hole is a part of its own, with its own hole; holes are counter-clockwise."""
    mask = mask_of("########. #......#. #.####.#. #.#..#.#. #.####.#. #......#. ########. ........# .........")

    found = polygons(Runs.of(mask))

    ring, island, pixel = found
    assert ((0, 0, 8, 0, 8, 7, 0, 7), ((1, 1, 1, 6, 7, 6, 7, 1),)) == (ring.exterior, ring.holes)
    assert ((2, 2, 6, 2, 6, 5, 2, 5), ((3, 3, 3, 4, 5, 4, 5, 3),)) == (island.exterior, island.holes)
    assert ((8, 7, 9, 7, 9, 8, 8, 8), ()) == (pixel.exterior, pixel.holes)
    assert [26, 10, 1] == [ring.area, island.area, pixel.area]


def test_holes_beside_and_below_each_other() -> None:
    """The part of a hole is found past the other holes above it."""
    mask = mask_of("####### #.#.#.# ####### #.#.#.# #######")

    (part,) = polygons(Runs.of(mask))

    assert 6 == len(part.holes)
    assert 35 - 6 == part.area


def test_a_corner_alone_joins_nothing() -> None:
    """Pixels that share a corner are two parts; a hole whose pixels do is two holes."""
    diagonal, holes = mask_of("#. .#"), mask_of("#### #.## ##.# ####")

    two = polygons(Runs.of(diagonal))
    (one,) = polygons(Runs.of(holes))

    assert [(0, 0, 1, 0, 1, 1, 0, 1), (1, 1, 2, 1, 2, 2, 1, 2)] == [part.exterior for part in two]
    assert 2 == len(one.holes)


def test_a_part_that_meets_itself_at_a_corner_has_a_hole_there() -> None:
    """The outline does not run through the corner twice."""
    mask = mask_of("##. #.# ###")

    (part,) = polygons(Runs.of(mask))

    assert [{(1, 1), (1, 2), (2, 2), (2, 1)}] == [set(corners_of(hole)) for hole in part.holes]
    assert 7 == part.area


@settings(max_examples=300, deadline=None)
@given(mask=masks())
def test_outlines_are_the_mask(mask: Bools) -> None:
    """Rasterised by the even-odd rule, unsimplified outlines give the very mask again."""
    found = polygons(Runs.of(mask))

    np.testing.assert_array_equal(mask, filled(mask.shape, rings_of(found)))


@settings(max_examples=300, deadline=None)
@given(mask=masks())
def test_polygons_are_the_parts(mask: Bools) -> None:
    """Each polygon is one 4-connected part with its own holes, and says how many pixels; the largest is first."""
    found = polygons(Runs.of(mask))

    areas = [polygon.area for polygon in found]
    drawn = {filled(mask.shape, rings_of((polygon,))).tobytes(): polygon.area for polygon in found}
    assert {part.tobytes(): int(part.sum()) for part in parts_of(mask)} == drawn
    assert sorted(areas, reverse=True) == areas


@settings(max_examples=300, deadline=None)
@given(mask=masks())
def test_rings_are_simple(mask: Bools) -> None:
    """No ring comes to a corner twice or goes straight on at one; exteriors are clockwise and holes are not."""
    for polygon in polygons(Runs.of(mask)):
        assert area_of(polygon.exterior) > 0
        assert all(area_of(hole) < 0 for hole in polygon.holes)
        for ring in (polygon.exterior, *polygon.holes):
            corners = corners_of(ring)
            assert len(set(corners)) == len(corners)
            turns = [a[0] == b[0] for a, b in pairwise([*corners, corners[0]])]
            assert all(turn != following for turn, following in pairwise([*turns, turns[0]]))


# Simplified


def distance(point: tuple[int, int], ring: Ring) -> float:
    corners = corners_of(ring)
    return min(segment_distance(point, start, end) for start, end in pairwise([*corners, corners[0]]))


def segment_distance(point: tuple[int, int], start: tuple[int, int], end: tuple[int, int]) -> float:
    along = (end[0] - start[0], end[1] - start[1])
    squared = along[0] ** 2 + along[1] ** 2
    part = ((point[0] - start[0]) * along[0] + (point[1] - start[1]) * along[1]) / squared if squared else 0.0
    part = min(1.0, max(0.0, part))
    return math.dist(point, (start[0] + part * along[0], start[1] + part * along[1]))


def disc(radius: int) -> Bools:
    y, x = np.mgrid[-radius - 1 : radius + 2, -radius - 1 : radius + 2]
    return np.asarray(x**2 + y**2 <= radius**2)


@settings(max_examples=100, deadline=None)
@given(mask=masks(), tolerance=st.sampled_from([0.3, 0.71, 1.0, 2.5]))
def test_simplified_outlines_stay_near(mask: Bools, tolerance: float) -> None:
    """Every corner of a true outline lies within the tolerance of its simplified one, whose points it has."""
    for ring in rings_of(polygons(Runs.of(mask))):
        corners = corners_of(ring)

        simplified = tuple(simplify(np.array(corners), tolerance).ravel().tolist())

        assert set(corners_of(simplified)) <= set(corners)
        assert max(distance(corner, simplified) for corner in corners) <= tolerance + 1e-9


def test_a_staircase_becomes_a_line() -> None:
    """The steps of a slope are gone at a tolerance of a pixel; the area hardly changes."""
    mask = disc(40)

    (true,) = polygons(Runs.of(mask))
    (simplified,) = polygons(Runs.of(mask), tolerance=1.0)

    assert len(simplified.exterior) < len(true.exterior) / 5
    assert true.area == simplified.area == mask.sum()
    assert area_of(simplified.exterior) == pytest.approx(mask.sum(), rel=0.03)


def test_what_is_smaller_than_the_tolerance_is_left_out() -> None:
    """A ring that has no area left is none; a part without an exterior is none."""
    mask = np.ones((30, 50), np.bool_)
    mask[4, 5:7] = mask[20:30, 40:] = False
    mask[25, 45] = True

    (part,) = polygons(Runs.of(mask), tolerance=3.0)

    assert () == part.holes
    assert 30 * 50 - 2 - 100 == part.area


@pytest.mark.parametrize(("min_area", "holes", "parts"), [(0, 2, 3), (2, 1, 2), (3, 1, 1), (5, 0, 1), (99, 0, 0)])
def test_small_parts_and_holes_are_left_out(min_area: int, holes: int, parts: int) -> None:
    """Parts and holes of fewer pixels than are asked for are not written."""
    mask = mask_of("#######..# #....##... #######... ####.##.## #######...")

    found = polygons(Runs.of(mask), min_area=min_area)

    assert parts == len(found)
    assert [holes][:parts] == [len(part.holes) for part in found[:1]]
