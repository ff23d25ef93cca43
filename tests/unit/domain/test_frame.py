from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskgate.domain.frame import Frame
from maskgate.domain.image import ImageSize

SIDES = st.integers(1, 20_000)


def reference_size(size: ImageSize, side: int) -> ImageSize:
    """`ResizeLongestSide.get_preprocess_shape` of the reference, word by word."""
    scale = side * 1.0 / max(size.height, size.width)
    return ImageSize(int(size.width * scale + 0.5), int(size.height * scale + 0.5))


@pytest.mark.parametrize(
    ("original", "valid"),
    [
        (ImageSize(2048, 1024), ImageSize(1024, 512)),
        (ImageSize(1024, 2048), ImageSize(512, 1024)),
        (ImageSize(1024, 1024), ImageSize(1024, 1024)),
        (ImageSize(1, 1), ImageSize(1024, 1024)),
        (ImageSize(2048, 1023), ImageSize(1024, 512)),  # 511.5 is rounded up
        (ImageSize(4096, 2045), ImageSize(1024, 511)),  # 511.25 is not
        (ImageSize(20_000, 1), ImageSize(1024, 1)),  # 0.05 would be no image at all
        (ImageSize(1, 20_000), ImageSize(1, 1024)),
    ],
)
def test_valid_size(original: ImageSize, valid: ImageSize) -> None:
    """The longest side becomes S, the other one is rounded half up and never 0."""
    actual = Frame(original, 1024).valid

    assert valid == actual


@given(width=SIDES, height=SIDES, side=st.sampled_from([512, 1024]))
def test_valid_size_is_the_references(width: int, height: int, side: int) -> None:
    """Where the reference leaves any pixels, the size is the reference's."""
    original = ImageSize(width, height)
    expected = reference_size(original, side)

    actual = Frame(original, side).valid

    assert ImageSize(max(1, expected.width), max(1, expected.height)) == actual


def test_points_scale_with_the_rounded_size() -> None:
    """The scale of an axis is that of its rounded length, as in the reference's apply_coords."""
    frame = Frame(ImageSize(2048, 1023), 1024)

    actual = frame.to_square([(2048, 1023), (0, 0), (1024, 511.5)])

    assert [[1024, 512], [0, 0], [512, 256]] == actual.tolist()
    assert np.float32 == actual.dtype


@given(width=SIDES, height=SIDES)
def test_corners_stay_inside_the_square(width: int, height: int) -> None:
    """The far corner of any image lands on the far corner of its valid part."""
    frame = Frame(ImageSize(width, height), 1024)

    x, y = frame.to_square((width, height))

    assert math.isclose(x, frame.valid.width, rel_tol=1e-6)
    assert math.isclose(y, frame.valid.height, rel_tol=1e-6)
