from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from maskgate.client import Box, MaskFormat, Point, Prompt, errors
from maskgate.client._asking import Pointing, prompt_of
from maskgate.domain.mask_prompt import HandleSource, PngSource
from tests import pictures

if TYPE_CHECKING:
    from maskgate.client import AsyncClient
    from tests.unit.transport.world import World

PHOTO = pictures.png(40, 30)


async def test_masks_are_arrays(client: AsyncClient) -> None:
    """Masks come as booleans of the size of the image, the best first, with their scores."""
    image = await client.image(PHOTO)

    answer = await image.segment(points=[(5, 5)], multimask="all")

    assert ((3, 30, 40), np.bool_) == (answer.masks.shape, answer.masks.dtype)
    np.testing.assert_array_equal(answer.masks[0], answer.best.pixels)
    assert sorted(answer.scores.tolist(), reverse=True) == answer.scores.tolist()
    assert "tiny" == answer.model
    assert answer.prompt == Prompt((Point(5, 5),))


async def test_forms_come_beside_the_pixels(client: AsyncClient) -> None:
    """Whatever other forms are asked for, the pixels are there."""
    image = await client.image(PHOTO)

    best = (await image.segment(box=(0, 0, 20, 30), formats=[MaskFormat.POLYGONS, "png"])).best

    assert best.pixels.any()
    assert best.polygons
    assert best.png
    assert best.low_res_logits is None


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"points": [(1, 2), (3, 4)], "labels": [1, 0]}, Prompt((Point(1, 2), Point(3, 4, 0)))),
        ({"points": np.array([[1, 2]]), "labels": np.array([0])}, Prompt((Point(1, 2, 0),))),
        ({"points": [Point(1, 2, 0)]}, Prompt((Point(1, 2, 0),))),
        ({"box": np.array([1, 2, 3, 4])}, Prompt(box=Box(1, 2, 3, 4))),
        ({"mask": b"png"}, Prompt(mask=PngSource(b"png"))),
    ],
    ids=["points and labels", "arrays", "points", "a box", "a mask"],
)
def test_how_prompts_are_written(asked: Pointing, expected: Prompt) -> None:
    """Tuples, arrays and values of the contract mean the same."""
    assert expected == prompt_of(asked)


@pytest.mark.parametrize(
    "asked",
    [{"points": [(1, 2)], "labels": [1, 0]}, {"points": [(1, 2, 3)]}, {"points": [(1, 2)], "coordinates": "yards"}],
)
def test_prompts_that_make_no_sense(asked: Pointing) -> None:
    """What cannot be a prompt is refused before anything is sent."""
    with pytest.raises(ValueError, match=r"zip\(\)|unpack|valid CoordinateSpace"):
        prompt_of(asked)


async def test_nothing_pointed_at(client: AsyncClient) -> None:
    """A prompt of nothing is refused as the gateway would refuse it."""
    image = await client.image(PHOTO)

    with pytest.raises(errors.InvalidPrompt):
        await image.segment()


async def test_refining_sends_the_handle(client: AsyncClient, world: World) -> None:
    """A correction goes along with all clicks so far and the handle of the best mask."""
    answer = await (await client.image(PHOTO)).segment(points=[(5, 5)])

    refined = await answer.refine(points=[(30, 5)], labels=[0])

    assert answer.best.handle is not None
    assert Prompt((Point(5, 5), Point(30, 5, 0)), mask=HandleSource(answer.best.handle)) == refined.prompt
    assert world.backend.decodes[-1].slots.mask is not None


async def test_refining_a_forgotten_mask(client: AsyncClient, world: World) -> None:
    """Where the gateway has forgotten the mask, all clicks are sent without it."""
    answer = await (await client.image(PHOTO)).segment(points=[(5, 5)])
    world.masks.entries.clear()

    refined = await answer.refine(points=[(30, 5)], labels=[0])

    assert Prompt((Point(5, 5), Point(30, 5, 0))) == refined.prompt
    assert world.backend.decodes[-1].slots.mask is None


async def test_a_mask_starts_another_prompt(client: AsyncClient, world: World) -> None:
    """A mask without a handle is sent as pixels."""
    image = await client.image(PHOTO)
    answer = await image.segment(points=[(5, 5)], handles=False)

    await image.segment(mask=answer.best)

    assert answer.best.handle is None
    assert world.backend.decodes[-1].slots.mask is not None


async def test_models_are_listed(client: AsyncClient) -> None:
    """Models come with their shapes; an unknown one is told."""
    (model,) = await client.models()

    assert ("tiny", True, 64, (4, 8, 8)) == (model.name, model.is_default, model.input_size, model.embedding_shape)
    assert model == await client.model()
    with pytest.raises(errors.ModelNotFound):
        await client.model("another")
