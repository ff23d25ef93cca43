from __future__ import annotations

import pytest

from maskgate.capacity import Popularity


@pytest.mark.parametrize("exponent", [0.0, 0.8, 1.0, 1.7])
def test_groups_are_as_single_images(exponent: float) -> None:
    """Images that go together in groups get as many clicks as if each were counted."""
    images = 50_000
    weights = [rank**-exponent for rank in range(1, images + 1)]

    grouped = Popularity.zipf(images, exponent=exponent, clicks=1e6)

    assert (images, 1e6) == pytest.approx((grouped.images.sum(), grouped.total))
    assert 1e6 * weights[0] / sum(weights) == pytest.approx(grouped.clicks[0], rel=1e-5)
    assert 1e6 * weights[-1] / sum(weights) == pytest.approx(grouped.clicks[-1], rel=0.02)


def test_a_lone_image_gets_everything() -> None:
    """One image is as popular as can be."""
    assert [7.0] == Popularity.zipf(1, exponent=2.0, clicks=7.0).clicks.tolist()


def test_ten_million_images_are_few_groups() -> None:
    """A day's images are worked with at once, and still are ten million."""
    popularity = Popularity.zipf(10_000_000, exponent=0.8, clicks=5e8)

    assert (10_000_000, 50.0) == pytest.approx((popularity.images.sum(), popularity.mean))
    assert len(popularity.images) < 1500
