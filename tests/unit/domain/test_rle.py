from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco

from maskgate.domain.rle import Rle

SIZES = st.tuples(st.integers(1, 40), st.integers(1, 40))
Bools = npt.NDArray[np.bool_]


def reference_of(mask: Bools) -> Rle:
    encoded = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    height, width = encoded["size"]
    return Rle(height, width, encoded["counts"].decode("ascii"))


@st.composite
def masks(draw: st.DrawFn) -> Bools:
    """Masks of all densities, so that short and long runs occur."""
    height, width = draw(SIZES)
    density = draw(st.sampled_from([0.0, 0.01, 0.1, 0.5, 0.9, 1.0]))
    seed = draw(st.integers(0, 2**32 - 1))
    return np.random.default_rng(seed).random((height, width)) < density


def rectangle(height: int, width: int, rows: slice, columns: slice) -> Bools:
    mask = np.zeros((height, width), np.bool_)
    mask[rows, columns] = True
    return mask


KINDS = {
    "empty": rectangle(3, 5, slice(0, 0), slice(0, 0)),
    "full": rectangle(3, 5, slice(0, 3), slice(0, 5)),
    "one pixel": rectangle(1, 1, slice(0, 1), slice(0, 1)),
    "no pixel": rectangle(1, 1, slice(0, 0), slice(0, 0)),
    "first": rectangle(4, 3, slice(0, 1), slice(0, 1)),
    "last": rectangle(4, 3, slice(3, 4), slice(2, 3)),
    "row": rectangle(1, 200, slice(0, 1), slice(17, 90)),
    "column": rectangle(200, 1, slice(17, 90), slice(0, 1)),
    "portrait": rectangle(2000, 1500, slice(100, 1900), slice(20, 1400)),
    "long runs": rectangle(3000, 2500, slice(0, 3000), slice(1000, 1700)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_counts_are_those_of_pycocotools(kind: str) -> None:
    """Empty, full, tiny and large masks are encoded byte for byte as pycocotools does, and read back."""
    mask = KINDS[kind]

    rle = Rle.encode(mask)

    assert reference_of(mask) == rle
    np.testing.assert_array_equal(mask, rle.decode())


@settings(max_examples=200, deadline=None)
@given(mask=masks())
def test_random_masks(mask: Bools) -> None:
    """Any mask is encoded byte for byte as pycocotools does, in C order as in Fortran order, and read back."""
    rle = Rle.encode(mask)

    assert reference_of(mask) == rle
    assert rle == Rle.encode(np.asfortranarray(mask))
    np.testing.assert_array_equal(mask, rle.decode())
