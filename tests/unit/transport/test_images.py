"""Checking, deleting and embeddings, over both protocols."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from maskgate.domain.image import ImageId
from maskgate.domain.prompt import Point
from tests import pictures
from tests.fakes import SPEC, FailingStore, FakeBackend
from tests.unit.transport import resources as resources_of
from tests.unit.transport.skins import SKINS, RestSkin
from tests.unit.transport.world import World

if TYPE_CHECKING:
    from tests.unit.transport.resources import Resources
    from tests.unit.transport.skins import Skin

PHOTO = pictures.png()
PHOTO_ID = str(ImageId.of(PHOTO))
OTHER = pictures.png(20, 10)
OTHER_ID = str(ImageId.of(OTHER))
UNKNOWN_ID = "sha256:" + "0" * 64
CLICK = Point(10, 20)
LARGE = replace(SPEC, name="large", weights_digest="sha256:" + "1" * 64)

both_skins = pytest.mark.parametrize("protocol", SKINS)


# Which images are kept


async def test_kept_images_are_told_from_missing_ones(skin: Skin, resources: Resources) -> None:
    """Those that are kept are described as by their upload, and both lists are in the order of the request."""
    photo, other = await skin.upload(PHOTO), await skin.upload(OTHER)

    answer = await resources.check(OTHER_ID, UNKNOWN_ID, PHOTO_ID)

    assert {"images": [other.payload, photo.payload], "missing": [UNKNOWN_ID]} == answer.payload


async def test_nothing_is_asked_for(resources: Resources) -> None:
    """An empty question has an empty answer."""
    answer = await resources.check()

    assert {"images": [], "missing": []} == answer.payload


async def test_identifiers_that_are_none(resources: Resources) -> None:
    """One that no upload ever answered makes the whole question invalid."""
    answer = await resources.check(PHOTO_ID, "photo.jpg")

    assert ("INVALID_ARGUMENT", "INVALID_IMAGE_ID") == answer.refusal


async def test_too_many_at_once(resources: Resources) -> None:
    """A thousand images can be asked for, one more cannot."""
    most = await resources.check(*[UNKNOWN_ID] * 1000)
    more = await resources.check(*[UNKNOWN_ID] * 1001)

    assert 1000 == len(most.payload["missing"])
    assert ("INVALID_ARGUMENT", "INVALID_REQUEST", "1000") == (*more.refusal, more.metadata["limit"])


@both_skins
async def test_nobody_can_tell(protocol: str) -> None:
    """While the store is away, images are unknown and not missing."""
    async with SKINS[protocol](World(store=FailingStore())) as skin:
        answer = await resources_of.of(skin).check(PHOTO_ID)

    assert ("UNAVAILABLE", "STORE_UNAVAILABLE") == answer.refusal


# Embeddings


async def test_an_embedding_is_given_away(skin: Skin, resources: Resources) -> None:
    """It comes as raw bytes, with the image's size and the model that made it."""
    await skin.upload(PHOTO)

    answer = await resources.embedding(PHOTO_ID)
    described = await resources.get_model(SPEC.name)

    tensor = b64decode(answer.payload.pop("embedding"))
    assert {"image_id": PHOTO_ID, "width": 40, "height": 30, "model": described.payload} == answer.payload
    assert SPEC.embedding_bytes == len(tensor)


async def test_prompts_are_decoded_from_what_was_given_away(world: World, skin: Skin, resources: Resources) -> None:
    """The image is encoded once, for whoever asks first."""
    await skin.upload(PHOTO)

    answer = await resources.embedding(PHOTO_ID)
    clicked = await skin.segment(PHOTO_ID, CLICK)

    assert (1, "l1") == (world.backend.encodes, clicked.payload["timing"]["cache_tier"])
    assert b64decode(answer.payload["embedding"]) == bytes(world.backend.decodes[0].embedding)


async def test_embeddings_that_cannot_be_given(skin: Skin, resources: Resources) -> None:
    """Unknown images and models and malformed identifiers are refused as by a prompt."""
    await skin.upload(PHOTO)

    refusals = [
        (await resources.embedding(UNKNOWN_ID)).refusal,
        (await resources.embedding(PHOTO_ID, model="huge")).refusal,
        (await resources.embedding("photo.jpg")).refusal,
    ]

    assert [
        ("NOT_FOUND", "IMAGE_NOT_FOUND"),
        ("NOT_FOUND", "MODEL_NOT_FOUND"),
        ("INVALID_ARGUMENT", "INVALID_IMAGE_ID"),
    ] == refusals


@both_skins
async def test_models_do_not_share_embeddings(protocol: str) -> None:
    """One image and two models are two embeddings, each told with its model."""
    world = World(backend=FakeBackend(SPEC, LARGE), models=(SPEC.name, LARGE.name))
    async with SKINS[protocol](world) as skin:
        await skin.upload(PHOTO)
        answers = [await resources_of.of(skin).embedding(PHOTO_ID, model) for model in ("", "large", SPEC.name)]

    assert [SPEC.name, "large", SPEC.name] == [answer.payload["model"]["name"] for answer in answers]
    assert 2 == world.backend.encodes


async def test_a_client_that_has_an_embedding_is_not_sent_it_again(rest: RestSkin) -> None:
    """REST names embeddings by an ETag; with another model it is another one."""
    await rest.upload(PHOTO)
    path = f"/v1/images/{PHOTO_ID}/embedding"
    first = await rest.client.get(path)
    etag = first.headers["ETag"]

    known = {tag: await rest.client.get(path, headers={"If-None-Match": tag}) for tag in (etag, f'"x", {etag}', "*")}
    unknown = await rest.client.get(path, headers={"If-None-Match": 'W/"x"'})

    assert [(304, b"", etag)] * 3 == [(got.status_code, got.content, got.headers["ETag"]) for got in known.values()]
    assert (200, first.content) == (unknown.status_code, unknown.content)


async def test_another_engine_is_another_etag(world: World, rest: RestSkin) -> None:
    """Once the weights are replaced, what a client has is not what the server would send."""
    await rest.upload(PHOTO)
    path = f"/v1/images/{PHOTO_ID}/embedding"
    before = await rest.client.get(path)
    world.backend.replace(replace(SPEC, weights_digest="sha256:" + "2" * 64))
    after = await rest.client.get(path, headers={"If-None-Match": before.headers["ETag"]})

    assert 200 == after.status_code
    assert before.headers["ETag"] != after.headers["ETag"]


# Deleting


async def test_a_deleted_image_is_gone(world: World, skin: Skin, resources: Resources) -> None:
    """It can neither be looked up nor segmented, nor is its embedding given away, although that was at hand."""
    await skin.upload(PHOTO)
    await skin.segment(PHOTO_ID, CLICK)

    deleted = await resources.delete(PHOTO_ID)

    answers = [await skin.get(PHOTO_ID), await skin.segment(PHOTO_ID, CLICK), await resources.embedding(PHOTO_ID)]
    assert "OK" == deleted.code
    assert [("NOT_FOUND", "IMAGE_NOT_FOUND")] * 3 == [answer.refusal for answer in answers]
    assert 1 == world.backend.encodes


async def test_deleting_what_is_not_there(resources: Resources) -> None:
    """It succeeds; a malformed identifier is refused all the same."""
    assert "OK" == (await resources.delete(UNKNOWN_ID)).code
    assert ("INVALID_ARGUMENT", "INVALID_IMAGE_ID") == (await resources.delete("photo.jpg")).refusal


async def test_a_deleted_image_can_be_uploaded_again(skin: Skin, resources: Resources) -> None:
    """It is then as if it had never been deleted, and encoded anew."""
    await skin.upload(PHOTO)
    await skin.segment(PHOTO_ID, CLICK)
    await resources.delete(PHOTO_ID)
    await skin.upload(PHOTO)

    answer = await skin.segment(PHOTO_ID, CLICK)

    assert ("OK", "miss") == (answer.code, answer.payload["timing"]["cache_tier"])


async def test_deleting_while_it_is_encoded(world: World, skin: Skin, resources: Resources) -> None:
    """A click that waits for the encode is told that the image is gone."""
    await skin.upload(PHOTO)
    world.backend.gate.clear()
    click = asyncio.create_task(skin.segment(PHOTO_ID, CLICK))
    async with asyncio.timeout(5):
        while world.backend.encodes == 0:  # noqa: ASYNC110 - the fake counts
            await asyncio.sleep(0.001)
    await resources.delete(PHOTO_ID)
    world.backend.gate.set()

    assert ("NOT_FOUND", "IMAGE_NOT_FOUND") == (await click).refusal


@both_skins
async def test_deleting_while_the_store_is_away(protocol: str) -> None:
    """Nobody can promise that the image is gone, so the client is told to try again."""
    async with SKINS[protocol](World(store=FailingStore())) as skin:
        answer = await resources_of.of(skin).delete(PHOTO_ID)

    assert ("UNAVAILABLE", "STORE_UNAVAILABLE", 1) == (*answer.refusal, answer.retry_after)
