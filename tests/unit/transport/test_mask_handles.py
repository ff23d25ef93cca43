"""Masks that are refined by their handles, over gRPC and over REST."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from maskgate.domain.image import ImageId
from maskgate.domain.mask_handle import MaskHandle
from maskgate.domain.prompt import Point
from maskgate.transport.grpc._pb import segmentation_pb2 as pb
from tests import pictures
from tests.fakes import SPEC, FakeBackend
from tests.unit.transport.skins import SKINS, MaskPrompt, Output
from tests.unit.transport.world import World

if TYPE_CHECKING:
    from tests.unit.transport.skins import Answer, RestSkin, Skin

PHOTO, OTHER = pictures.png(), pictures.jpeg(orientation=6)
IMAGE_ID, OTHER_ID = (str(ImageId.of(content)) for content in (PHOTO, OTHER))
CLICK, CORRECTION = Point(3, 3), Point(9, 9, 0)
GONE = ("NOT_FOUND", "MASK_HANDLE_NOT_FOUND")


def masks_of(answer: Answer) -> list[dict[str, Any]]:
    assert "OK" == answer.code
    masks: list[dict[str, Any]] = answer.payload["masks"]
    return masks


def started_from(world: World, *, decode: int = -1) -> np.ndarray[Any, Any] | None:
    return world.backend.decodes[decode].slots.mask


async def test_a_mask_is_refined_by_its_handle(skin: Skin, world: World) -> None:
    """What the handle of an answer names is what the decoder starts from, bit for bit, beside all points."""
    await skin.upload(PHOTO)
    (first,) = masks_of(await skin.segment(IMAGE_ID, CLICK, output=Output(("low_res_logits",))))

    answer = await skin.segment(IMAGE_ID, CLICK, CORRECTION, mask=MaskPrompt(mask_handle=first["mask_handle"]))

    ((address, kept), _) = world.masks.entries.items()
    assert "OK" == answer.code
    assert [1, 0, -1, -2, -2, -2, -2, -2] == world.backend.decodes[1].slots.labels.tolist()
    assert (first["mask_handle"], IMAGE_ID, SPEC.name) == (
        str(address.handle),
        str(address.key.image_id),
        address.key.model,
    )
    np.testing.assert_array_equal(kept, started_from(world))


async def test_a_handle_alone_is_a_prompt(skin: Skin, world: World) -> None:
    """Without points and box every slot is empty."""
    await skin.upload(PHOTO)
    (first,) = masks_of(await skin.segment(IMAGE_ID, CLICK))

    await skin.segment(IMAGE_ID, mask=MaskPrompt(mask_handle=first["mask_handle"]))

    assert [-2] * 8 == world.backend.decodes[1].slots.labels.tolist()
    assert started_from(world) is not None


async def test_every_mask_has_its_own_handle(skin: Skin, world: World) -> None:
    """Of several masks the one that is named is started from: not the first, the best, or that of the first prompt."""
    world.backend.logits = np.stack([np.full((SPEC.mask_size,) * 2, token, np.float16) for token in range(4)])
    await skin.upload(PHOTO)
    masks = masks_of(await skin.segment(IMAGE_ID, CLICK, multimask="all"))
    masks += masks_of(await skin.segment(IMAGE_ID, CLICK, multimask="single"))

    for mask in masks:
        await skin.segment(IMAGE_ID, CLICK, mask=MaskPrompt(mask_handle=mask["mask_handle"]))

    found = [decode.slots.mask for decode in world.backend.decodes[2:]]
    assert 4 == len({mask["mask_handle"] for mask in masks})
    assert [mask["token"] for mask in masks] == [None if logits is None else logits[0, 0] for logits in found]


async def test_refining_goes_on(skin: Skin) -> None:
    """A refined mask has a handle in its turn, and the former one stays good: a user may go back."""
    await skin.upload(PHOTO)
    (first,) = masks_of(await skin.segment(IMAGE_ID, CLICK))
    (second,) = masks_of(await skin.segment(IMAGE_ID, CLICK, mask=MaskPrompt(mask_handle=first["mask_handle"])))

    answers = [
        await skin.segment(IMAGE_ID, CORRECTION, mask=MaskPrompt(mask_handle=mask["mask_handle"]))
        for mask in (second, first)
    ]

    assert first["mask_handle"] != second["mask_handle"]
    assert ["OK", "OK"] == [answer.code for answer in answers]


async def test_a_mask_without_forms_has_a_handle(skin: Skin) -> None:
    """Handles come along with any form of masks."""
    await skin.upload(PHOTO)

    answer = await skin.segment(IMAGE_ID, CLICK, output=Output(("png",), mask_handles=True))

    assert MaskHandle.parse(masks_of(answer)[0]["mask_handle"])


async def test_handles_can_be_declined(skin: Skin, world: World) -> None:
    """Who never refines says so: no handle comes, and nothing is kept."""
    await skin.upload(PHOTO)

    answer = await skin.segment(IMAGE_ID, CLICK, multimask="all", output=Output(mask_handles=False))

    assert [None] * 3 == [mask["mask_handle"] for mask in masks_of(answer)]
    assert {} == world.masks.entries


@pytest.mark.parametrize("text", ["", "mh_", "mh_" + "A" * 22, "mh_" + "A" * 10_000, "mh_é" + "A" * 21, "A" * 25])
async def test_handles_that_name_nothing(skin: Skin, world: World, text: str) -> None:
    """Whatever was never a handle is told in the same words as one that has expired."""
    await skin.upload(PHOTO)

    answer = await skin.segment(IMAGE_ID, CLICK, mask=MaskPrompt(mask_handle=text))

    assert GONE == answer.refusal
    assert "ask again without it" in answer.message
    assert [] == world.backend.decodes


async def test_a_forgotten_mask(skin: Skin, world: World) -> None:
    """A handle that has expired, or made room for others, is not found, and no decode is spent on it."""
    await skin.upload(PHOTO)
    (first,) = masks_of(await skin.segment(IMAGE_ID, CLICK))
    world.masks.entries.clear()

    answer = await skin.segment(IMAGE_ID, CLICK, mask=MaskPrompt(mask_handle=first["mask_handle"]))

    assert GONE == answer.refusal
    assert {"mask_handle": first["mask_handle"]} == answer.metadata
    assert 1 == len(world.backend.decodes)


async def test_another_images_handle(skin: Skin, world: World) -> None:
    """A handle means nothing for another image: the answer is that of a handle which nobody ever had."""
    await skin.upload(PHOTO)
    await skin.upload(OTHER)
    (first,) = masks_of(await skin.segment(IMAGE_ID, CLICK))
    never = str(MaskHandle.new())

    foreign, unknown = [
        await skin.segment(OTHER_ID, CLICK, mask=MaskPrompt(mask_handle=text)) for text in (first["mask_handle"], never)
    ]

    assert GONE == foreign.refusal
    assert (foreign.refusal, foreign.message) == (unknown.refusal, unknown.message)
    assert 1 == len(world.backend.decodes)


@pytest.mark.parametrize("name", SKINS)
@pytest.mark.parametrize(
    "other",
    [replace(SPEC, name="other"), replace(SPEC, weights_digest="sha256:" + "1" * 64), replace(SPEC, precision="bf16")],
    ids=["model", "weights", "precision"],
)
async def test_another_models_handle(name: str, other: Any) -> None:  # noqa: ANN401 - a ModelSpec
    """A handle means nothing to another model, nor to the same one with other weights or in another precision."""
    world = World(backend=FakeBackend(SPEC, other))
    async with SKINS[name](world) as skin:
        await skin.upload(PHOTO)
        world.backend.serve(SPEC)
        (first,) = masks_of(await skin.segment(IMAGE_ID, CLICK))
        world.backend.serve(other)

        answer = await skin.segment(
            IMAGE_ID, CLICK, model=other.name, mask=MaskPrompt(mask_handle=first["mask_handle"])
        )

    assert GONE == answer.refusal


async def test_a_correction_is_a_small_message(skin: Skin) -> None:
    """The message of a click that refines stays at most 300 bytes, however many have gone before."""
    await skin.upload(PHOTO)
    (mask,) = masks_of(await skin.segment(IMAGE_ID, CLICK))
    for _ in range(5):
        (mask,) = masks_of(await skin.segment(IMAGE_ID, CLICK, mask=MaskPrompt(mask_handle=mask["mask_handle"])))
    points = [(1020.5, 700.25, 1), (33, 512, 0), (640, 360, 1), (80, 20, 0)]

    message = pb.SegmentRequest(
        image_id=IMAGE_ID,
        points=[pb.Point(x=x, y=y, label=label) for x, y, label in points],
        model="vit_h",
        mask=pb.MaskPrompt(mask_handle=mask["mask_handle"]),
    )
    body = {
        "points": [{"x": x, "y": y, "label": label} for x, y, label in points],
        "model": "vit_h",
        "mask": {"mask_handle": mask["mask_handle"]},
    }

    assert len(message.SerializeToString()) <= 300
    assert len(json.dumps(body)) <= 300


async def test_a_picture_with_its_handle(rest: RestSkin, world: World) -> None:
    """`Accept: image/png` answers with the handle of its mask in a header, unless it is declined."""
    await rest.upload(PHOTO)
    answers = [
        await rest.client.post(
            f"/v1/images/{IMAGE_ID}:segment",
            json={"points": [{"x": 3, "y": 3}], "output": {"mask_handles": wanted}},
            headers={"Accept": "image/png"},
        )
        for wanted in (None, False)
    ]
    refined = await rest.segment(IMAGE_ID, CLICK, mask=MaskPrompt(mask_handle=answers[0].headers["X-Mask-Handle"]))

    assert "OK" == refined.code
    assert "X-Mask-Handle" not in answers[1].headers
    assert 2 == len(world.masks.entries)


@pytest.mark.parametrize("second", [{"png": ""}, {"logits": ""}])
async def test_a_handle_beside_another_source(rest: RestSkin, world: World, second: dict[str, str]) -> None:
    """Of two sources neither is guessed."""
    await rest.upload(PHOTO)

    answer = await rest.send(IMAGE_ID, {"mask": {"mask_handle": str(MaskHandle.new()), **second}})

    assert ("INVALID_ARGUMENT", "INVALID_PROMPT") == answer.refusal
    assert [] == world.backend.decodes
