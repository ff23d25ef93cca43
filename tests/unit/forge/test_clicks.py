import numpy as np

from maskforge.clicks import centre_click, next_click, random_click, tight_box


def test_the_click_is_farthest_from_the_outside() -> None:
    """The click lies in the thick part of a mask, as (x, y)."""
    mask = np.zeros((20, 30), np.bool_)
    mask[4:13, 2:11] = True
    mask[8, 11:28] = True
    assert centre_click(mask) == (6, 8)


def test_the_image_edge_counts_as_outside() -> None:
    """A mask that fills the image is clicked in its middle."""
    assert centre_click(np.ones((9, 9), np.bool_)) == (4, 4)


def test_a_random_click_lies_on_the_mask() -> None:
    """The only pixel of a mask is the only one that can be drawn, as (x, y)."""
    mask = np.zeros((5, 7), np.bool_)
    mask[1, 6] = True
    assert random_click(mask, np.random.default_rng(0)) == (6, 1)


def test_a_box_ends_after_the_last_pixel() -> None:
    """Far edges are exclusive."""
    mask = np.zeros((10, 10), np.bool_)
    mask[2:4, 3:8] = True
    np.testing.assert_array_equal(np.array([3, 2, 8, 4], np.float32), tight_box(mask))


def test_the_next_click_corrects_most() -> None:
    """More is missed on the right than is too much on the left: its middle is a foreground click."""
    truth, predicted = np.zeros((20, 40), np.bool_), np.zeros((20, 40), np.bool_)
    truth[:, 10:] = True
    predicted[:, 5:25] = True

    x, y, label = next_click(predicted, truth, np.ones_like(truth)) or (0, 0, 0)
    assert (1, True, True) == (label, 31 <= x <= 33, 7 <= y <= 12)
    x, y, label = next_click(truth, predicted, np.ones_like(truth)) or (0, 0, 1)
    assert (0, True) == (label, 31 <= x <= 33)


def test_nothing_wrong_is_no_click() -> None:
    """Where masks agree on all that counts there is nothing to click on."""
    mask = np.ones((4, 4), np.bool_)

    assert next_click(mask, mask, mask) is None
    assert next_click(mask, ~mask, ~mask) is None
