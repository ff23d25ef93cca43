import numpy as np

from maskforge.annotations import BoolMask
from maskforge.clicks import centre_click
from maskforge.training.prompts import first_prompt, noisy_box
from maskforge.training.recipe import ExampleConfig
from tests.unit.forge.training.world import rectangle_mask

MANY = 400


def draw(mask: BoolMask, config: ExampleConfig) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    prompts = [first_prompt(mask, config, rng) for _ in range(MANY)]
    return np.stack([coords for coords, _ in prompts]), np.stack([labels for _, labels in prompts])


def test_boxes_and_clicks_are_equally_likely() -> None:
    """A box has its two corners, a click SAM's pad point beside it."""
    _, labels = draw(rectangle_mask((64, 64), (10, 20, 30, 20)), ExampleConfig())
    boxes = (labels == [2, 3]).all(1)
    clicks = (labels == [1, -1]).all(1)
    assert MANY == (boxes | clicks).sum()
    assert 0.42 * MANY < boxes.sum() < 0.58 * MANY


def test_clicks_are_anywhere_on_the_mask_or_at_its_centre() -> None:
    """Every click hits, about half of them the pixel farthest from the edge."""
    mask = rectangle_mask((64, 64), (10, 20, 31, 21))
    coords, _ = draw(mask, ExampleConfig(box_share=0))
    x, y = coords[:, 0].astype(int).T
    assert mask[y, x].all()
    centred = (coords[:, 0] == centre_click(mask)).all(1).mean()
    assert 0.42 < centred < 0.58
    assert 100 < len(np.unique(coords[:, 0], axis=0))


def test_noise_moves_a_box_by_a_tenth_of_its_side() -> None:
    """The standard deviation of an edge is a tenth of the box's length in its direction."""
    mask = rectangle_mask((1000, 1000), (400, 300, 100, 40))
    config = ExampleConfig(box_noise_limit=1)
    boxes = np.stack([noisy_box(mask, config, np.random.default_rng(seed)) for seed in range(MANY)])
    np.testing.assert_allclose(boxes.mean(0), [400, 300, 500, 340], atol=2)
    np.testing.assert_allclose(boxes.std(0), [10, 4, 10, 4], rtol=0.15)


def test_noise_is_bounded_and_stays_in_the_frame() -> None:
    """No edge moves more than 20 of 1024 pixels, nor out of the image."""
    mask = rectangle_mask((512, 512), (0, 100, 500, 300))
    boxes = np.stack([noisy_box(mask, ExampleConfig(), np.random.default_rng(seed)) for seed in range(100)])
    assert (np.abs(boxes - [0, 100, 500, 400]) <= 10).all()
    assert (boxes >= 0).all()
    assert len(np.unique(boxes, axis=0)) > 50
