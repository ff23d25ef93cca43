import numpy as np
import pytest
import torch
from PIL import Image

from maskforge.preprocessing import Letterbox


@pytest.mark.parametrize(
    ("photo", "expected"),
    [
        ((480, 640), (384, 512)),
        ((640, 480), (512, 384)),
        ((512, 512), (512, 512)),
        ((333, 500), (341, 512)),
        ((205, 1024), (103, 512)),  # 102.5 rounds up
        ((100, 200), (256, 512)),
        ((1, 4000), (1, 512)),
    ],
)
def test_the_longest_side_fills_the_frame(photo: tuple[int, int], expected: tuple[int, int]) -> None:
    """The longest side becomes S, the other keeps its proportion, rounded half up and never 0."""
    letterbox = Letterbox.fit(*photo, 512)
    assert expected == (letterbox.new_height, letterbox.new_width)


def test_padding_is_right_and_bottom() -> None:
    """A resized photo lies at the frame's top left; the rest is zero."""
    frame = Letterbox.fit(10, 20, 8).resize(Image.new("RGB", (20, 10), (9, 8, 7)))
    expected = np.zeros((8, 8, 3), np.uint8)
    expected[:4] = (9, 8, 7)
    np.testing.assert_array_equal(expected, frame)


def test_points_are_scaled_by_the_rounded_sides() -> None:
    """Each coordinate is scaled by its own side's ratio, which rounding makes differ a little."""
    points = Letterbox.fit(333, 500, 512).to_frame([(250, 333), (0, 0)])
    np.testing.assert_array_equal(np.array([(256, 341), (0, 0)], np.float32), points)
    assert points.dtype == np.float32


def test_logits_of_the_padding_never_reach_the_photo() -> None:
    """Going back to the photo crops the padding away before resizing."""
    logits = torch.full((1, 1, 16, 16), -5.0)
    logits[..., :8, :] = 3.0
    photo = Letterbox.fit(30, 60, 64).to_photo(logits)
    assert photo.shape == (1, 1, 30, 60)
    torch.testing.assert_close(torch.full((28, 60), 3.0), photo[0, 0, :28])
