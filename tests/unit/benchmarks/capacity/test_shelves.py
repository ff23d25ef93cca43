from __future__ import annotations

import pytest

from benchmarks.capacity.shelves import Lru, OwnOrder, Shelf, look
from benchmarks.capacity.trace import Trace
from maskgate.capacity import Passing, Popularity


@pytest.mark.parametrize("shelf", [Lru(2), OwnOrder(2)], ids=["lru", "own"])
def test_a_shelf_has_so_many_places(shelf: Shelf) -> None:
    """A third image makes one of two go, and clearing makes all go."""
    for image in (1, 2, 3):
        shelf.put(image)
    held = [image for image in (1, 2, 3) if shelf.find(image)]
    shelf.clear()

    assert 2 == len(held)
    assert [] == [image for image in (1, 2, 3) if shelf.find(image)]


def test_what_was_used_last_stays() -> None:
    """LRU forgets the image that nobody has asked for longest."""
    shelf = Lru(2)
    shelf.put(1)
    shelf.put(2)
    shelf.find(1)
    shelf.put(3)

    assert [True, False, True] == [shelf.find(image) for image in (1, 2, 3)]


def test_an_image_is_put_where_it_was_not() -> None:
    """What the second shelf has is put on the first, too; what is nowhere is put on both."""
    first, second = Lru(1), Lru(5)

    assert [2, 2, 1, 0] == [look(image, (first, second)) for image in (1, 2, 1, 1)]


def test_a_trace_is_as_much_as_its_traffic() -> None:
    """Clicks come in order, as many as they should, from the first second on, and the same for a seed."""
    traffic = Passing(5.0, Popularity.zipf(100, exponent=0.5, clicks=1000), seconds=60.0)
    trace, again = (Trace.of(traffic, seconds=400.0, seed=2) for _ in range(2))

    assert trace.times.tolist() == sorted(trace.times) == again.times.tolist()
    assert 400 * 50 == pytest.approx(len(trace), rel=0.1)
    assert 0.25 == pytest.approx((trace.times < 100).mean(), abs=0.03)
