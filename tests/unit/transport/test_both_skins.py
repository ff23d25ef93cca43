"""What is promised whatever the protocol: each test runs over gRPC and over REST."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from pycocotools import mask as coco

from maskgate.domain.errors import BackendUnavailable, EncoderStarting, InferenceFailed
from maskgate.domain.image import ImageId
from maskgate.domain.prompt import Box, Point
from tests import pictures
from tests.fakes import FailingStore
from tests.unit.transport.skins import SKINS
from tests.unit.transport.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.unit.transport.skins import Answer, Skin

PHOTO = pictures.png()
PHOTO_ID = str(ImageId.of(PHOTO))
UNKNOWN_ID = "sha256:" + "0" * 64
CLICK = Point(10, 20)
NAN, INF = float("nan"), float("inf")

both_skins = pytest.mark.parametrize("protocol", SKINS)


# Uploading and looking up


async def test_an_upload_says_what_was_uploaded(skin: Skin) -> None:
    """The answer holds identifier, size, format and weight of the image."""
    expected = {"image_id": PHOTO_ID, "width": 40, "height": 30, "format": "PNG", "size_bytes": len(PHOTO)}

    answer = await skin.upload(PHOTO)

    assert expected == answer.payload


async def test_an_image_is_found_again(skin: Skin) -> None:
    """Looking an image up answers as its upload did."""
    uploaded = await skin.upload(PHOTO)

    found = await skin.get(PHOTO_ID)

    assert uploaded == found


@pytest.mark.parametrize("kind", pictures.UNUSUAL)
async def test_unusual_files_are_read(skin: Skin, kind: str) -> None:
    """CMYK, palettes, 16 bits, transparency and animations are taken, and can be segmented."""
    content = pictures.UNUSUAL[kind]

    uploaded = await skin.upload(content)
    segmented = await skin.segment(str(ImageId.of(content)), CLICK)

    assert (40, 30) == (uploaded.payload["width"], uploaded.payload["height"])
    assert segmented.payload["masks"][0]["rle"]["size"] == [30, 40]


async def test_orientation_is_applied(skin: Skin) -> None:
    """A photo taken upright by a camera that lay on its side is upright in all answers."""
    content = pictures.jpeg(orientation=6)

    uploaded = await skin.upload(content)
    segmented = await skin.segment(str(ImageId.of(content)), Point(29, 39))

    assert (30, 40) == (uploaded.payload["width"], uploaded.payload["height"])
    assert segmented.payload["masks"][0]["rle"]["size"] == [40, 30]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "INVALID_IMAGE"),
        (b"not an image", "INVALID_IMAGE"),
        (b"%PDF-1.7 is a known format, but no image", "INVALID_IMAGE"),
        (PHOTO[: len(PHOTO) // 2], "INVALID_IMAGE"),
        (pictures.jpeg()[:-100], "INVALID_IMAGE"),
        (bytes(20_001), "IMAGE_TOO_LARGE"),
        (pictures.png(101, 100), "IMAGE_TOO_LARGE"),
        (pictures.png(1001, 1), "IMAGE_TOO_LARGE"),
    ],
    ids=["empty", "text", "PDF", "truncated PNG", "truncated JPEG", "too many bytes", "too many pixels", "too long"],
)
async def test_uploads_that_are_refused(skin: Skin, content: bytes, reason: str) -> None:
    """What is no image, not a whole one or too large is refused with its reason, and not kept."""
    answer = await skin.upload(content)
    found = await skin.get(str(ImageId.of(content)))

    assert ("INVALID_ARGUMENT", reason) == answer.refusal
    assert ("NOT_FOUND", "IMAGE_NOT_FOUND") == found.refusal


async def test_limits_are_told(skin: Skin) -> None:
    """A refusal repeats the numbers of its sentence for machines."""
    answer = await skin.upload(pictures.png(101, 100))

    assert {"width": "101", "height": "100", "limit_pixels": "10000", "limit_side": "1000"} == answer.metadata


@pytest.mark.parametrize("image_id", ["photo.jpg", "sha256:", "sha256:" + "0" * 63, "SHA256:" + "0" * 64, "x" * 5000])
async def test_malformed_identifiers(skin: Skin, image_id: str) -> None:
    """A text that no upload ever answered is refused as malformed, not as unknown."""
    looked_up = await skin.get(image_id)
    segmented = await skin.segment(image_id, CLICK)

    assert ("INVALID_ARGUMENT", "INVALID_IMAGE_ID") == looked_up.refusal == segmented.refusal


async def test_unknown_images(skin: Skin) -> None:
    """An image that is not kept is not found, and the identifier is repeated."""
    looked_up = await skin.get(UNKNOWN_ID)
    segmented = await skin.segment(UNKNOWN_ID, CLICK)

    assert ("NOT_FOUND", "IMAGE_NOT_FOUND") == looked_up.refusal == segmented.refusal
    assert {"image_id": UNKNOWN_ID} == looked_up.metadata == segmented.metadata


# Segmenting


async def test_a_click_is_answered_with_a_mask(skin: Skin) -> None:
    """The answer names image and model and holds one mask, whose counts pycocotools reads as area and box say."""
    await skin.upload(PHOTO)

    answer = await skin.segment(PHOTO_ID, CLICK)

    (mask,) = answer.payload["masks"]
    pixels = coco.decode({"size": mask["rle"]["size"], "counts": mask["rle"]["counts"].encode()})
    assert (PHOTO_ID, "tiny") == (answer.payload["image_id"], answer.payload["model"])
    assert (30, 40) == pixels.shape
    assert (600, 600) == (mask["area"], pixels.sum())
    assert {"x1": 0, "y1": 0, "x2": 20, "y2": 30} == mask["box"]
    assert mask["predicted_iou"] == pytest.approx(0.9)
    assert (1.0, 2) == (mask["stability_score"], mask["token"])
    assert (40, 30) == (answer.payload["width"], answer.payload["height"])


async def test_timing_tells_the_tier(skin: Skin) -> None:
    """The first click on an image is a miss that took encoding, the second a hit that took none."""
    await skin.upload(PHOTO)

    first, second = [(await skin.segment(PHOTO_ID, CLICK)).payload["timing"] for _ in range(2)]

    assert ("miss", "l1") == (first["cache_tier"], second["cache_tier"])
    assert first["encode_ms"] > 0 == second["encode_ms"]
    assert first["postprocess_ms"] > 0
    parts = ("encode_ms", "decode_ms", "queue_ms", "postprocess_ms")
    assert first["total_ms"] >= sum(first[part] for part in parts)


@pytest.mark.parametrize(
    ("multimask", "ious"), [("auto", [0.9]), ("single", [0.6]), ("all", [0.9, 0.7, 0.5]), ("stable", [0.6])]
)
async def test_multimask(skin: Skin, multimask: str, ious: list[float]) -> None:
    """One mask or all of the ambiguous output, the best first."""
    await skin.upload(PHOTO)

    answer = await skin.segment(PHOTO_ID, CLICK, multimask=multimask)

    assert [pytest.approx(iou) for iou in ious] == [mask["predicted_iou"] for mask in answer.payload["masks"]]


async def test_tokens_tell_the_masks_apart(skin: Skin) -> None:
    """Each mask names the decoder's output that it is, whatever its place in the answer."""
    await skin.upload(PHOTO)

    answers = [await skin.segment(PHOTO_ID, CLICK, multimask=kind) for kind in ("auto", "single", "all")]

    assert [[2], [0], [2, 3, 1]] == [[mask["token"] for mask in answer.payload["masks"]] for answer in answers]


async def test_readings_are_told_apart_by_size(skin: Skin) -> None:
    """Of the readings of one prompt the largest is the whole, the smallest the subpart; a lone mask is not told."""
    await skin.upload(PHOTO)

    answers = [await skin.segment(PHOTO_ID, CLICK, multimask=kind) for kind in ("auto", "all")]
    lone, readings = (answer.payload["masks"] for answer in answers)

    by_size = sorted(readings, key=lambda mask: -int(mask["area"]))
    assert ["unspecified", "whole", "part", "subpart"] == [_granularity(mask) for mask in (*lone, *by_size)]


def _granularity(mask: Mapping[str, Any]) -> str:
    """Over gRPC what is not told has a name, over REST it is null."""
    return str(mask["granularity"] or "unspecified").lower().removeprefix("granularity_")


async def test_points_and_box_reach_the_decoder(skin: Skin, world: World) -> None:
    """Points keep their order and labels, and the box's corners follow them."""
    await skin.upload(PHOTO)

    await skin.segment(PHOTO_ID, Point(5, 10, 0), Point(10, 20, 1), box=Box(0, 0, 40, 30))

    (decode,) = world.backend.decodes
    assert [0, 1, 2, 3, -2, -2, -2, -2] == decode.slots.labels.tolist()
    assert [[8, 16], [16, 32], [0, 0], [64, 48]] == decode.slots.coords[:4].tolist()


@pytest.mark.parametrize(
    ("points", "box"),
    [
        ([], None),
        ([Point(40, 5)], None),
        ([Point(5, 30)], None),
        ([Point(-1, 5)], None),
        ([Point(1e300, 5)], None),
        ([Point(5, 5, 2)], None),
        ([Point(5, 5, -1)], None),
        ([Point(5, 5, 2**31 - 1)], None),
        ([Point(NAN, 5)], None),
        ([Point(5, INF)], None),
        ([], Box(NAN, 0, 5, 5)),
        ([], Box(5, 0, 5, 5)),
        ([], Box(6, 0, 5, 5)),
        ([], Box(0, 6, 5, 5)),
        ([], Box(0, 0, 41, 5)),
        ([Point(5, 5)], Box(0, -1, 5, 5)),
        ([Point(5, 5)] * 16, None),
        ([Point(5, 5)] * 15, Box(0, 0, 5, 5)),
        ([Point(5, 5)] * 2000, None),
    ],
    ids=str,
)
async def test_prompts_that_are_refused(skin: Skin, world: World, points: list[Point], box: Box | None) -> None:
    """A prompt that is empty, too long, outside or senseless is refused, and the next one is answered."""
    await skin.upload(PHOTO)

    refused = await skin.segment(PHOTO_ID, *points, box=box)
    answered = await skin.segment(PHOTO_ID, CLICK)

    assert ("INVALID_ARGUMENT", "INVALID_PROMPT") == refused.refusal
    assert "OK" == answered.code
    assert len(world.backend.decodes) == 1


@pytest.mark.parametrize("model", ["vit_z", "x" * 50_000, "ключ\n\0"])
async def test_unknown_models(skin: Skin, model: str) -> None:
    """A model that is not served is not found, however long or strange its name."""
    await skin.upload(PHOTO)

    answer = await skin.segment(PHOTO_ID, CLICK, model=model)

    assert ("NOT_FOUND", "MODEL_NOT_FOUND") == answer.refusal


async def test_bytes_that_are_no_request(skin: Skin) -> None:
    """Garbage is the client's mistake, not a failure of the service."""
    await skin.upload(PHOTO)

    answer = await skin.send_garbage(PHOTO_ID)

    assert ("INVALID_ARGUMENT", "INVALID_REQUEST") == answer.refusal


# What is not the client's fault


@pytest.mark.parametrize("stage", ["encode", "decode"])
async def test_without_the_backend(skin: Skin, world: World, stage: str) -> None:
    """While Triton is away calls are UNAVAILABLE with a time to try again, and then the same call succeeds."""
    await skin.upload(PHOTO)
    setattr(world.backend, f"{stage}_error", BackendUnavailable("Triton is away."))

    away = await skin.segment(PHOTO_ID, CLICK)
    setattr(world.backend, f"{stage}_error", None)
    back = await skin.segment(PHOTO_ID, CLICK)

    assert ("UNAVAILABLE", "BACKEND_UNAVAILABLE") == away.refusal
    assert away.retry_after == 1
    assert "OK" == back.code


async def test_an_encoder_that_has_to_be_started(skin: Skin, world: World) -> None:
    """Who has not the time for that is told when to come again; images that were encoded are segmented meanwhile."""
    await skin.upload(PHOTO)
    other = pictures.jpeg(orientation=6)
    await skin.upload(other)
    await skin.segment(PHOTO_ID, CLICK)
    world.backend.encode_error = EncoderStarting("No encoder runs.", retry_after=60, model="tiny")

    refused, answered = await skin.segment(str(ImageId.of(other)), CLICK), await skin.segment(PHOTO_ID, CLICK)

    assert ("UNAVAILABLE", "ENCODER_STARTING") == refused.refusal
    assert ({"model": "tiny"}, 60) == (refused.metadata, refused.retry_after)
    assert "OK" == answered.code


async def test_an_encoder_that_is_waited_for(skin: Skin, world: World) -> None:
    """Who has the time gets the answer of the first call."""
    await skin.upload(PHOTO)
    world.backend.encode_errors = [EncoderStarting("No encoder runs.", retry_after=1)]
    asking = asyncio.create_task(skin.segment(PHOTO_ID, CLICK, timeout=8))
    while not world.registry.get_sample_value("maskgate_encodes_pending") or not world.backend.encodes:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    world.backend.encoder.set()

    assert "OK" == (await asking).code
    assert 2 == world.backend.encodes


@both_skins
async def test_without_the_store(protocol: str) -> None:
    """Where nobody can tell whether an image is kept, that is said: it is not 'not found'."""
    async with SKINS[protocol](World(store=FailingStore())) as skin:
        answers = [await skin.upload(PHOTO), await skin.get(PHOTO_ID), await skin.segment(PHOTO_ID, CLICK)]

    assert [("UNAVAILABLE", "STORE_UNAVAILABLE")] * 3 == [answer.refusal for answer in answers]


@both_skins
async def test_calls_that_take_too_long(protocol: str) -> None:
    """A call ends with the service's deadline although its client has set none."""
    world = World(max_seconds=0.1)
    world.backend.gate.clear()
    async with SKINS[protocol](world) as skin:
        await skin.upload(PHOTO)

        answer = await skin.segment(PHOTO_ID, CLICK)

    assert ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED") == answer.refusal
    assert {"deadline_seconds": "0.1"} == answer.metadata


async def test_a_clients_deadline(skin: Skin, world: World) -> None:
    """A client's own, shorter deadline ends the call; the encode that it started is not lost."""
    await skin.upload(PHOTO)
    world.backend.gate.clear()
    async with asyncio.timeout(5):
        late = await skin.segment(PHOTO_ID, CLICK, timeout=0.1)

    world.backend.gate.set()
    again = await skin.segment(PHOTO_ID, CLICK)

    assert "DEADLINE_EXCEEDED" == late.code
    assert "OK" == again.code
    assert world.backend.encodes == 1


@both_skins
async def test_too_many_calls(protocol: str) -> None:
    """A call for which there is no place left is refused at once, with a time to try again; the others succeed."""
    world = World(decodes=1, waiting=1)
    async with SKINS[protocol](world) as skin:
        await skin.upload(PHOTO)
        await skin.segment(PHOTO_ID, CLICK)
        world.backend.gate.clear()
        calls = [asyncio.create_task(skin.segment(PHOTO_ID, CLICK)) for _ in range(3)]
        first_done, _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED, timeout=5)
        world.backend.gate.set()
        answers = await asyncio.gather(*calls)

    (refused,) = (task.result() for task in first_done)
    assert ("RESOURCE_EXHAUSTED", "OVERLOADED") == refused.refusal
    assert {"tier": "decode"} == refused.metadata
    assert {"grpc": 0.1, "rest": 1}[protocol] == refused.retry_after  # HTTP has whole seconds
    assert ["OK", "OK", "RESOURCE_EXHAUSTED"] == sorted(answer.code for answer in answers)
    assert 1 == world.refused("decode", "full")


@both_skins
async def test_calls_whose_turn_would_come_too_late(protocol: str) -> None:
    """A call that would wait longer than its client does is refused at once, and the others go on."""
    world = World(decodes=1)
    async with SKINS[protocol](world) as skin:
        await skin.upload(PHOTO)
        await skin.segment(PHOTO_ID, CLICK)
        world.usecases.segment._decode._admission._hold = 1.0  # as if the first had taken that long
        world.backend.gate.clear()
        calls = [asyncio.create_task(skin.segment(PHOTO_ID, CLICK)) for _ in range(5)]
        while len(world.backend.decodes) < 2 or world.in_flight(protocol) < 5:  # noqa: ASYNC110 - nobody sets an event
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        refused = await skin.segment(PHOTO_ID, CLICK, timeout=0.2)
        world.backend.gate.set()
        answers = await asyncio.gather(*calls)

    assert ("RESOURCE_EXHAUSTED", "OVERLOADED") == refused.refusal
    assert refused.retry_after is not None
    assert ["OK"] * 5 == [answer.code for answer in answers]
    assert (0, 1) == (world.refused("decode", "full"), world.refused("decode", "too_late"))


@pytest.mark.parametrize(
    ("error", "reason"),
    [(InferenceFailed("secret", cause="secret"), "INFERENCE_FAILED"), (RuntimeError("secret"), "INTERNAL")],
    ids=["a failed model", "a bug"],
)
async def test_our_own_failures(skin: Skin, world: World, error: Exception, reason: str) -> None:
    """A failure of the service is INTERNAL, and tells nothing of the inside."""
    await skin.upload(PHOTO)
    world.backend.decode_error = error

    answer = await skin.segment(PHOTO_ID, CLICK)

    assert ("INTERNAL", reason) == answer.refusal
    assert "secret" not in repr(answer)


async def test_too_many_calls_at_once(skin: Skin, world: World) -> None:
    """Calls over the limit are refused at once, with a time after which to try again."""
    world.observer._places = 0

    answer = await skin.get(UNKNOWN_ID)

    assert ("RESOURCE_EXHAUSTED", "OVERLOADED") == answer.refusal
    assert answer.retry_after == 1


# What is measured


@pytest.mark.parametrize(
    ("method", "code", "ask"),
    [
        ("UploadImage", "OK", lambda skin: skin.upload(PHOTO)),
        ("UploadImage", "INVALID_ARGUMENT", lambda skin: skin.upload(b"no image")),
        ("GetImage", "NOT_FOUND", lambda skin: skin.get(UNKNOWN_ID)),
        ("Segment", "NOT_FOUND", lambda skin: skin.segment(UNKNOWN_ID, CLICK)),
        ("Segment", "INVALID_ARGUMENT", lambda skin: skin.segment(UNKNOWN_ID)),
        ("Segment", "INVALID_ARGUMENT", lambda skin: skin.send_garbage(UNKNOWN_ID)),
    ],
)
async def test_calls_are_counted(
    skin: Skin, world: World, method: str, code: str, ask: Callable[[Skin], asyncio.Future[Answer]]
) -> None:
    """Each call is counted once, by protocol, method and code, and none is in flight afterwards."""
    await ask(skin)

    assert world.answered(skin.name, method, code) == 1
    labels = {"protocol": skin.name, "method": method}
    assert world.registry.get_sample_value("maskgate_request_duration_seconds_count", labels) == 1
    assert world.registry.get_sample_value("maskgate_requests_in_flight", {"protocol": skin.name}) == 0
