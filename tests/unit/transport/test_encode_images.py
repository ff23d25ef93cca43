"""Encoding images ahead of their first prompts, over both protocols."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from maskgate.domain.errors import BackendUnavailable, InferenceFailed, Overloaded
from maskgate.domain.image import ImageId
from maskgate.domain.prompt import Point
from tests import pictures
from tests.fakes import SPEC
from tests.unit.transport.skins import Answer
from tests.unit.transport.world import SETTINGS

if TYPE_CHECKING:
    from tests.unit.transport.resources import Resources
    from tests.unit.transport.skins import RestSkin, Skin
    from tests.unit.transport.world import World

PHOTO = pictures.png()
PHOTO_ID = str(ImageId.of(PHOTO))
OTHER = pictures.png(20, 10)
OTHER_ID = str(ImageId.of(OTHER))
UNKNOWN_ID = "sha256:" + "0" * 64
URL = "https://img.example.com/photo.png"


def reasons(lines: list[dict[str, Any]] | Answer) -> list[str]:
    """Why each image failed; empty where it did not."""
    assert not isinstance(lines, Answer)
    return [line.get("error", {}).get("reason", "") for line in lines]


async def test_images_from_everywhere(world: World, skin: Skin, resources: Resources) -> None:
    """By identifier, bytes and URL: each is kept and encoded, and its first click is a hit."""
    await skin.upload(PHOTO)
    third = pictures.png(30, 30)
    world.fetcher.pages[URL] = third

    lines = await resources.encode({"image_id": PHOTO_ID}, {"content": OTHER}, {"url": URL})
    click = await skin.segment(str(ImageId.of(third)), Point(1, 1))

    assert [
        {"index": 0, "image_id": PHOTO_ID, "width": 40, "height": 30, "cache_tier": "miss"},
        {"index": 1, "image_id": OTHER_ID, "width": 20, "height": 10, "cache_tier": "miss"},
        {"index": 2, "image_id": str(ImageId.of(third)), "width": 30, "height": 30, "cache_tier": "miss"},
    ] == lines
    assert "l1" == click.payload["timing"]["cache_tier"]


async def test_what_is_encoded_already(world: World, skin: Skin, resources: Resources) -> None:
    """Repeating a call costs nothing, and one image twice in a call is encoded once."""
    await skin.upload(PHOTO)
    first = await resources.encode({"image_id": PHOTO_ID}, {"content": PHOTO})
    again = await resources.encode({"image_id": PHOTO_ID})

    assert 1 == world.backend.encodes
    assert ["", ""] == reasons(first)
    assert [{"index": 0, "image_id": PHOTO_ID, "width": 40, "height": 30, "cache_tier": "l1"}] == again


async def test_one_that_fails_fails_no_other(skin: Skin, resources: Resources) -> None:
    """Each image says what is wrong with it, as a call about it alone would, and which it is where that is known."""
    await skin.upload(PHOTO)

    lines = await resources.encode(
        {"image_id": UNKNOWN_ID},
        {"image_id": "photo.jpg"},
        {"content": b"no image"},
        {"content": b""},
        {"url": "http://img.example.com/photo.png"},
        {"url": URL},
        {"image_id": PHOTO_ID},
    )

    assert [
        "IMAGE_NOT_FOUND",
        "INVALID_IMAGE_ID",
        "INVALID_IMAGE",
        "INVALID_IMAGE",
        "INVALID_IMAGE_URL",
        "IMAGE_URL_UNAVAILABLE",
        "",
    ] == reasons(lines)
    assert not isinstance(lines, Answer)
    assert (UNKNOWN_ID, "NOT_FOUND") == (lines[0]["image_id"], lines[0]["error"]["code"])
    assert {"image_id": UNKNOWN_ID} == lines[0]["error"]["metadata"]
    assert "image_id" not in lines[5]


async def test_failures_of_ours_tell_nothing_of_the_inside(world: World, skin: Skin, resources: Resources) -> None:
    """A model that raises is told by its reason alone."""
    await skin.upload(PHOTO)
    world.backend.encode_error = InferenceFailed("secret")

    (line,) = lines if isinstance(lines := await resources.encode({"image_id": PHOTO_ID}), list) else ({},)

    assert ("INTERNAL", "INFERENCE_FAILED") == (line["error"]["code"], line["error"]["reason"])
    assert "secret" not in str(line)


async def test_calls_that_fail_as_a_whole(world: World, skin: Skin, resources: Resources) -> None:
    """Too many images, none, one from nowhere, an unknown model, and a model that does not answer."""
    await skin.upload(PHOTO)
    photo: dict[str, str | bytes] = {"image_id": PHOTO_ID}
    answers = [
        await resources.encode(*[photo] * 257),
        await resources.encode(),
        await resources.encode(photo, {}),
        await resources.encode(photo, model="huge"),
    ]
    world.backend.spec_errors[SPEC.name] = BackendUnavailable("Away.")
    answers.append(await resources.encode(photo))

    assert [
        ("INVALID_ARGUMENT", "INVALID_REQUEST"),
        ("INVALID_ARGUMENT", "INVALID_REQUEST"),
        ("INVALID_ARGUMENT", "INVALID_REQUEST"),
        ("NOT_FOUND", "MODEL_NOT_FOUND"),
        ("UNAVAILABLE", "BACKEND_UNAVAILABLE"),
    ] == [answer.refusal if isinstance(answer, Answer) else ("", "") for answer in answers]


@pytest.mark.parametrize("others", [0, 1])
async def test_a_bug_ends_the_call(world: World, skin: Skin, resources: Resources, others: int) -> None:
    """What nobody foresaw is an error of the whole call, whether another image was told before or not."""
    await skin.upload(PHOTO)
    world.backend.encode_error = RuntimeError("secret")
    unknown: dict[str, str | bytes] = {"image_id": UNKNOWN_ID}

    answer = await resources.encode(*[unknown] * others, {"image_id": PHOTO_ID})

    assert isinstance(answer, Answer)
    assert "INTERNAL" == answer.code
    assert "secret" not in answer.message


async def test_who_is_refused_waits(world: World, skin: Skin, resources: Resources) -> None:
    """A batch gives way to clicks: what is refused because others wait is tried again."""
    await skin.upload(PHOTO)
    world.backend.encode_errors = [Overloaded("Busy.", retry_after=0.1)]

    lines = await resources.encode({"image_id": PHOTO_ID})

    assert [""] == reasons(lines)
    assert 2 == world.backend.encodes


async def test_lines_of_json(rest: RestSkin, world: World) -> None:
    """Over REST each image is a line, and the call is counted once."""
    sources = [{"image_id": UNKNOWN_ID}, {"image_id": PHOTO_ID}]

    response = await rest.client.post("/v1/images:encode", json={"images": sources})

    assert (200, "application/x-ndjson") == (response.status_code, response.headers["Content-Type"])
    assert [0, 1] == sorted(json.loads(line)["index"] for line in response.text.splitlines())
    assert 1 == world.answered("rest", "EncodeImages", "OK")


@pytest.mark.parametrize("over", [False, True])
async def test_bytes_in_json_have_room(rest: RestSkin, over: bool) -> None:  # noqa: FBT001
    """An upload of the largest size fits as base64, and the body is bounded all the same."""
    content = "AAAA" * (SETTINGS.max_upload_bytes // 3 + (2**18 if over else 0))

    response = await rest.client.post("/v1/images:encode", json={"images": [{"content": content}]})

    assert (400 if over else 200) == response.status_code


async def test_slow_servers_stop_nobody_else(world: World, skin: Skin, resources: Resources) -> None:
    """While one call waits for files from elsewhere, as many as it may, another one's images are encoded."""
    await skin.upload(PHOTO)
    world.fetcher.answers.clear()
    slow = asyncio.create_task(resources.encode(*[{"url": f"{URL}?{number}"} for number in range(5)]))
    async with asyncio.timeout(5):
        while len(world.fetcher.asked) < 2:  # noqa: ASYNC110 - a list sets no event
            await asyncio.sleep(0.001)

    lines = await asyncio.wait_for(resources.encode({"image_id": PHOTO_ID}, {"content": OTHER}), 5)
    meanwhile = len(world.fetcher.asked)
    world.fetcher.answers.set()

    assert (["", ""], 2) == (reasons(lines), meanwhile)
    assert ["IMAGE_URL_UNAVAILABLE"] * 5 == reasons(await slow)


async def test_who_waits_to_try_again_leaves_its_place(world: World, skin: Skin, resources: Resources) -> None:
    """Images that were refused for now stop no others: those are encoded before the first come again."""
    for content in (PHOTO, OTHER):
        await skin.upload(content)
    await resources.encode({"image_id": PHOTO_ID})
    world.backend.encode_errors = [Overloaded("Busy.", retry_after=30)] * SETTINGS.encode_images_concurrency
    new = [pictures.png(20 + number, 30) for number in range(SETTINGS.encode_images_concurrency)]
    refused = asyncio.create_task(resources.encode(*[{"content": content} for content in new]))
    async with asyncio.timeout(5):
        while world.backend.encode_errors:  # noqa: ASYNC110 - a list sets no event
            await asyncio.sleep(0.001)

    lines = await asyncio.wait_for(resources.encode({"image_id": PHOTO_ID}, {"image_id": OTHER_ID}), 5)

    assert ["", ""] == reasons(lines)
    refused.cancel()
    await asyncio.gather(refused, return_exceptions=True)
