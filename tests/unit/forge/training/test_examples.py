from pathlib import Path

import numpy as np
import torch

from maskforge.training.crops import Piece
from maskforge.training.examples import Batch, Steps, make_example, stream
from maskforge.training.recipe import ExampleConfig, Phase
from maskforge.training.scenes import Scene, SceneMaker
from tests.unit.forge.training.world import TINY, rectangle_mask, two_photos


def assert_same(one: Batch, other: Batch) -> None:
    for mine, yours in zip(one, other, strict=True):
        torch.testing.assert_close(mine, yours, rtol=0, atol=0)


def test_a_batch_is_a_function_of_seed_and_step(tmp_path: Path) -> None:
    """Asked in another order, by another object, the same batch comes; another step's is another."""
    cache = two_photos(tmp_path).cache()
    first, second = (Steps(SceneMaker(cache, cache.photos, TINY.examples), TINY) for _ in range(2))
    asked = {step: first[step] for step in (0, 1, 3)}
    for step in (3, 1, 0):
        assert_same(asked[step], second[step])
    assert not torch.equal(asked[0].images, asked[1].images)


def test_a_stream_begins_where_it_is_told(tmp_path: Path) -> None:
    """A resumed run gets the batches that the uninterrupted one would have had, through both phases."""
    cache = two_photos(tmp_path).cache()
    steps = Steps(SceneMaker(cache, cache.photos, TINY.examples), TINY)
    batches = list(stream(steps, 2, 5))
    assert [(2, 3, 64, 64), (1, 3, 96, 96), (1, 3, 96, 96)] == [tuple(batch.images.shape) for batch in batches]
    for step, batch in enumerate(batches, start=2):
        assert_same(steps[step], batch)


def test_an_example_is_padded_and_its_masks_are_shrunk() -> None:
    """A mask of 3 of 4 pixels is 3/4 at the logits' resolution; padding counts, ignored pixels do not."""
    mask = rectangle_mask((6, 4), (0, 0, 2, 2))
    mask[1, 1] = False
    ignored = rectangle_mask((6, 4), (4, 2, 2, 2))
    scene = Scene(np.full((4, 6, 3), 7, np.uint8), [Piece(mask, ~ignored)])
    example = make_example(scene, Phase(1, 8, 1, 2, (1, 1)), ExampleConfig(), np.random.default_rng(0))
    assert (3, 8, 8) == example.images.shape
    assert 7 * 3 * 24 == example.images.sum()
    assert [4, 6] == example.valid_hw.tolist()
    for index in range(2):  # an image with one mask is asked for it twice
        torch.testing.assert_close(example.masks[index], torch.tensor([[0.75, 0, 0, 0]] + [[0.0] * 4] * 3))
        assert [[1, 2]] == (~example.counted[index]).nonzero().tolist()
