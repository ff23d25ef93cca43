from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco

from maskgate.domain.image import ImageSize
from maskgate.domain.prompt import Box
from maskgate.domain.rle import Rle
from maskgate.domain.runs import Block, Runs

Bools = npt.NDArray[np.bool_]


@st.composite
def masks(draw: st.DrawFn) -> Bools:
    """Masks of all densities; full columns beside each other occur."""
    height, width = draw(st.integers(1, 20)), draw(st.integers(1, 20))
    density = draw(st.sampled_from([0.0, 0.05, 0.5, 0.9, 1.0]))
    seed = draw(st.integers(0, 2**32 - 1))
    return np.random.default_rng(seed).random((height, width)) < density


def reached(mask: Bools) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


@settings(max_examples=200, deadline=None)
@given(mask=masks())
def test_runs_are_the_mask(mask: Bools) -> None:
    """Pixels come back as they were; area and encoding are pycocotools'; no two runs touch."""
    encoded = coco.encode(np.asfortranarray(mask.astype(np.uint8)))

    runs = Runs.of(mask)

    np.testing.assert_array_equal(mask, runs.pixels())
    assert int(coco.area(encoded)) == runs.area
    assert Rle(*encoded["size"], encoded["counts"].decode()) == runs.rle()
    assert np.all(runs.starts < runs.ends)
    assert np.all(runs.ends[:-1] < runs.starts[1:])


@settings(max_examples=200, deadline=None)
@given(mask=masks())
def test_box_and_window_hold_the_mask(mask: Bools) -> None:
    """The box is the tightest one, and the window has the pixels inside it."""
    runs = Runs.of(mask)

    box, window = runs.box, runs.window()

    if not mask.any():
        assert box is window is None
        return
    rows, columns = reached(mask)
    assert window is not None
    assert Box(columns.start, rows.start, columns.stop, rows.stop) == box
    assert (columns.start, rows.start) == (window.left, window.top)
    np.testing.assert_array_equal(mask[rows, columns], window.pixels)


@settings(max_examples=200, deadline=None)
@given(mask=masks(), step=st.integers(1, 7))
def test_blocks_are_put_together(mask: Bools, step: int) -> None:
    """However a mask is cut into columns, and above and below what is set, its runs are the same."""
    size = ImageSize(mask.shape[1], mask.shape[0])
    rows, _ = reached(mask) if mask.any() else (slice(0, 1), slice(0, 1))
    expected = Runs.of(mask)

    cuts = range(0, size.width, step)
    runs = Runs.collect(size, [Block.positive(left, rows.start, mask[rows, left : left + step].T) for left in cuts])

    assert expected.starts.tolist() == runs.starts.tolist()
    assert expected.ends.tolist() == runs.ends.tolist()


def test_no_blocks_are_an_empty_mask() -> None:
    """Where nothing can be positive nothing is computed."""
    runs = Runs.collect(ImageSize(5, 3), [])

    assert (0, None, None) == (runs.area, runs.box, runs.window())
    assert Rle.encode(np.zeros((3, 5), np.bool_)) == runs.rle()
    assert not runs.pixels().any()


@pytest.mark.parametrize("columns", [slice(2, 4), slice(0, 6), slice(3, 4)])
def test_full_columns_are_one_run(columns: slice) -> None:
    """A run goes on at the top of the next column; its box spans the height."""
    mask = np.zeros((4, 6), np.bool_)
    mask[:, columns] = True

    runs = Runs.of(mask)

    assert 1 == runs.starts.size
    assert Box(columns.start, 0, columns.stop, 4) == runs.box
