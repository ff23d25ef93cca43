import numpy as np
import pytest

from maskforge.training.crops import Crop, View, crop_around

PIXELS = np.arange(6, dtype=np.uint8).reshape(2, 3)


@pytest.mark.parametrize("zoom", [0.3, 1.0, 2.5])
@pytest.mark.parametrize("size", [(60, 40), (40, 60)])
def test_a_crop_lies_within_the_photo_around_its_anchor(size: tuple[int, int], zoom: float) -> None:
    """No crop leaves the photo or exceeds the frame, and each holds what it was drawn around."""
    for seed in range(30):
        rng = np.random.default_rng(seed)
        anchor = (rng.uniform(0, size[0]), rng.uniform(0, size[1]))
        (left, top, right, bottom), pixels = crop_around(size, anchor, View(32, zoom, 1.1), rng)
        assert 0 <= left <= anchor[0] <= right <= size[0]
        assert 0 <= top <= anchor[1] <= bottom <= size[1]
        assert max(pixels) <= 32


def test_a_photo_that_fits_is_not_cropped() -> None:
    """At a zoom of one the whole photo fills the frame's longer side."""
    box, size = crop_around((60, 40), (3, 3), View(30, 1.0, 1.0), np.random.default_rng(0))
    assert ((0, 0, 60, 40), (30, 20)) == (pytest.approx(box), size)


def test_a_stretched_photo_is_wider_and_lower() -> None:
    """A stretch of 4 doubles the width and halves the height."""
    _, size = crop_around((60, 40), (3, 3), View(120, 0.5, 4.0), np.random.default_rng(0))
    assert (120, 20) == size


def test_mirror_and_turn_move_photo_and_mask_alike() -> None:
    """The mask stays on its object: of 1 2 / 4 5 mirrored, 2 1 / 5 4, a quarter turn gives 1 4 / 2 5."""
    crop = Crop((1, 0, 3, 2), (2, 2), mirrored=True, turns=1)
    np.testing.assert_array_equal([[1, 4], [2, 5]], crop.cut_image(np.stack([PIXELS] * 3, axis=2))[..., 0])
    np.testing.assert_array_equal([[True, False], [False, False]], crop.cut_mask(PIXELS == 1))


def test_a_crop_between_pixels_reads_what_it_touches() -> None:
    """Half a pixel from either side is blended."""
    line = np.full((1, 4, 3), [[0], [0], [100], [100]], np.uint8)
    assert 50 == Crop((1.5, 0, 2.5, 1), (1, 1)).cut_image(line)[0, 0, 0]
