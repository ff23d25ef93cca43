from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from maskgate.domain.errors import InvalidPrompt
from maskgate.domain.frame import Frame
from maskgate.domain.image import ImageSize
from maskgate.domain.mask_prompt import logits_of_answer, logits_of_bytes, logits_of_pixels
from maskgate.domain.upscale import upscale

SIDE, MASK_SIZE = 64, 16
CELL = SIDE // MASK_SIZE


def of_pixels(pixels: npt.NDArray[np.bool_]) -> npt.NDArray[np.float16]:
    height, width = pixels.shape
    return logits_of_pixels(pixels, Frame(ImageSize(width, height), SIDE), MASK_SIZE)


def test_cells_are_sure_of_what_they_hold() -> None:
    """Cells in the mask are 20, cells beside it -20, and one that is a quarter mask is half way to undecided."""
    pixels = np.zeros((64, 64), np.bool_)
    pixels[4:8, 8:20] = True
    pixels[32:34, 40:42] = True

    logits = of_pixels(pixels)

    expected = np.full((16, 16), -20, np.float16)
    expected[1, 2:5] = 20
    expected[8, 10] = -10
    np.testing.assert_array_equal(expected, logits, strict=True)


@pytest.mark.parametrize(
    ("shape", "columns", "rows"), [((32, 64), 16, 8), ((64, 32), 8, 16), ((128, 32), 4, 16), ((30, 40), 16, 12)]
)
def test_padding_is_not_of_the_mask(shape: tuple[int, int], columns: int, rows: int) -> None:
    """A mask of the whole image, lying or upright, fills the image's part of the frame, and the rest is -20."""
    expected = np.full((16, 16), -20, np.float16)
    expected[:rows, :columns] = 20

    np.testing.assert_array_equal(expected, of_pixels(np.ones(shape, np.bool_)))


@pytest.mark.parametrize("shape", [(32, 64), (64, 32)], ids=["landscape", "portrait"])
def test_masks_keep_their_place(shape: tuple[int, int]) -> None:
    """The top right corner of the image is in the top right corner of its part of the frame."""
    pixels = np.zeros(shape, np.bool_)
    pixels[:4, -8:] = True

    rows, columns = np.nonzero(of_pixels(pixels) > 0)

    across = shape[1] // CELL
    assert [(0, across - 2), (0, across - 1)] == list(zip(rows.tolist(), columns.tolist(), strict=True))


def test_cells_at_the_edge_count_the_image_alone() -> None:
    """A cell that the image fills by half is 20 where that half is mask: masks keep their hold on the image's edge."""
    pixels = np.ones((64, 46), np.bool_)  # eleven cells and a half

    logits = of_pixels(pixels)

    assert [20] * 12 + [-20] * 4 == logits[0].tolist()


@example(size=(30, 44), seed=0)  # eleven cells in 30 pixels: a rounding error must not touch the twelfth
@given(
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    seed=st.integers(0, 2**32 - 1),
)
def test_areas_are_exact(size: tuple[int, int], seed: int) -> None:
    """Whatever the size, each cell is what cutting every pixel into small ones and counting those would say."""
    width, height = size
    frame = Frame(ImageSize(width, height), SIDE)
    pixels = np.random.default_rng(seed).random((height, width)) < 0.5

    logits = logits_of_pixels(pixels, frame, MASK_SIZE)

    across, down = (overlaps(length, cells) for length, cells in zip(size, frame.valid_in(MASK_SIZE), strict=True))
    image = np.outer(down.sum(1), across.sum(1))
    share = np.where(image > 0, down @ pixels @ across.T / np.where(image > 0, image, 1), 0)
    np.testing.assert_allclose(40 * share - 20, logits, atol=0.02)


def overlaps(length: int, cells: float) -> npt.NDArray[np.float64]:
    """How much of each pixel lies in each cell: [M, length]."""
    start = np.arange(length)[None]
    left = np.arange(MASK_SIZE)[:, None] * length / cells
    return (np.minimum(start + 1, left + length / cells) - np.maximum(start, left)).clip(0)


@pytest.mark.parametrize("shape", [(300, 400), (400, 300), (57, 640)])
def test_upscaled_again_they_are_the_mask(shape: tuple[int, int]) -> None:
    """What a client draws and what its logits mean in the image are the same but for pixels at the outline."""
    height, width = shape
    rows, columns = np.mgrid[:height, :width]
    pixels = (columns - 0.3 * width) ** 2 + (rows - 0.6 * height) ** 2 < (0.5 * height) ** 2
    frame = Frame(ImageSize(width, height), 1024)

    found = upscale(logits_of_pixels(pixels, frame, 256).astype(np.float32), frame)

    assert (pixels & found).sum() / (pixels | found).sum() > 0.97


def test_logits_come_as_they_were_sent() -> None:
    """Half-precision numbers, little-endian, rows first, are taken to the bit."""
    logits = np.random.default_rng(1).uniform(-30, 30, (MASK_SIZE, MASK_SIZE)).astype("<f2")

    np.testing.assert_array_equal(logits, logits_of_bytes(logits.tobytes(), MASK_SIZE), strict=True)


def test_large_logits_are_clipped() -> None:
    """Numbers so large that the convolutions over them would overflow count as 100."""
    logits = np.full((MASK_SIZE, MASK_SIZE), 65504, "<f2")
    logits[1:] = -65504

    read = logits_of_bytes(logits.tobytes(), MASK_SIZE)

    assert [100] + [-100] * 15 == read[:, 0].tolist()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_are_refused(value: float) -> None:
    """One number that is none spoils the mask."""
    logits = np.zeros((MASK_SIZE, MASK_SIZE), "<f2")
    logits[3, 5] = value

    with pytest.raises(InvalidPrompt, match="not finite"):
        logits_of_bytes(logits.tobytes(), MASK_SIZE)


@pytest.mark.parametrize("size", [0, 1, 511, 513, 1024])
def test_logits_of_another_size_are_refused(size: int) -> None:
    """Bytes that are not M x M numbers are refused."""
    with pytest.raises(InvalidPrompt, match="16 x 16 half-precision floats"):
        logits_of_bytes(bytes(size), MASK_SIZE)


def test_answers_are_fit_to_start_from() -> None:
    """Logits that were answered stay as they are up to 100; what a broken model gave as no number says nothing."""
    answered = np.array([[20.5, -31], [np.nan, np.inf], [-np.inf, -101]], np.float16)

    assert [[20.5, -31], [0, 100], [-100, -100]] == logits_of_answer(answered).tolist()
