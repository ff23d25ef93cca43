"""Many prompts on many images in one call, over gRPC and over REST."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from maskgate.domain.errors import BackendUnavailable, InferenceFailed
from maskgate.domain.image import ImageId
from maskgate.domain.prompt import Point
from tests import pictures
from tests.fakes import SPEC
from tests.unit.transport.skins import MaskPrompt

if TYPE_CHECKING:
    from tests.unit.transport.resources import Images, Resources
    from tests.unit.transport.skins import RestSkin, Skin
    from tests.unit.transport.world import World

LYING, UPRIGHT = pictures.png(), pictures.jpeg(orientation=6)
LYING_ID, UPRIGHT_ID, LOST_ID = (str(ImageId.of(content)) for content in (LYING, UPRIGHT, b"lost"))
CLICK: dict[str, Any] = {"points": [{"x": 10, "y": 20}]}
CLICKS: dict[str, Any] = {"points": [{"x": 10, "y": 20}, {"x": 3, "y": 4, "label": 0}]}
BOX: dict[str, Any] = {"box": {"x1": 1, "y1": 2, "x2": 20, "y2": 30}}
NOTHING: dict[str, Any] = {}
NAN = {"points": [{"x": float("nan"), "y": 1}]}
OUTSIDE = {"points": [{"x": 35, "y": 5}]}
LONG = {"points": [{"x": index, "y": 1} for index in range(12)]}
TOO_LONG = {"points": [{"x": 1, "y": 1}] * 16}
ABSURD = {"points": [{"x": 1, "y": 1}] * 1025}
LOGITS = np.full((SPEC.mask_size, SPEC.mask_size), 3, "<f2").tobytes()


@pytest.fixture(autouse=True)
async def _uploaded(skin: Skin) -> None:
    await skin.upload(LYING)
    await skin.upload(UPRIGHT)


def reasons(answer: Any) -> list[str | list[str]]:  # noqa: ANN401 - Answer
    """Of each image why it failed, or of each of its prompts; empty where there are masks."""
    return [
        image["error"]["reason"]
        if image["error"]
        else [(part["error"] or {"reason": ""})["reason"] for part in image["prompts"]]
        for image in answer.payload["images"]
    ]


async def test_a_batch_answers_what_the_prompts_would_alone(skin: Skin, resources: Resources) -> None:
    """Masks, sizes and models are those that each prompt gets by itself, in the order of the request."""
    answer = await resources.segment_batch(
        [(LYING_ID, [CLICKS, CLICK]), (UPRIGHT_ID, [CLICK])], asking={"multimask": "all"}
    )

    clicks = Point(10, 20), Point(3, 4, 0)
    alone = [
        [
            mask | {"mask_handle": None}
            for mask in (await skin.segment(image, *points, multimask="all")).payload["masks"]
        ]
        for image, points in ((LYING_ID, clicks), (LYING_ID, clicks[:1]), (UPRIGHT_ID, clicks[:1]))
    ]
    first, second = answer.payload["images"]
    assert alone == [part["masks"] for image in (first, second) for part in image["prompts"]]
    assert [(LYING_ID, 40, 30), (UPRIGHT_ID, 30, 40)] == [
        (image["image_id"], image["width"], image["height"]) for image in (first, second)
    ]
    assert [None] * 5 == [part["error"] for part in (first, second, *first["prompts"], *second["prompts"])]
    assert SPEC.name == answer.payload["model"]


async def test_parts_that_fail_say_so_in_their_places(resources: Resources) -> None:
    """A bad prompt fails itself, an image that is not there itself; the others are answered."""
    bad = [NOTHING, NAN, OUTSIDE, TOO_LONG, ABSURD]

    answer = await resources.segment_batch(
        [
            (LOST_ID, [CLICK]),
            (UPRIGHT_ID, [CLICK, *bad, LONG]),
            ("cat.jpg", [CLICK]),
            (LYING_ID, []),
            (LYING_ID, bad[:1]),
        ]
    )

    assert [
        "IMAGE_NOT_FOUND",
        ["", *["INVALID_PROMPT"] * 5, ""],
        "INVALID_IMAGE_ID",
        [],
        ["INVALID_PROMPT"],
    ] == reasons(answer)
    assert ["cat.jpg", 0, None] == [answer.payload["images"][2][name] for name in ("image_id", "width", "timing")]


async def test_an_error_of_a_part_says_what_that_of_a_call_says(skin: Skin, resources: Resources) -> None:
    """Code, reason, message and metadata are those of the same prompt alone."""
    alone = await skin.segment(UPRIGHT_ID, Point(35, 5))

    answer = await resources.segment_batch([(UPRIGHT_ID, [OUTSIDE, CLICK])])

    error = answer.payload["images"][0]["prompts"][0]["error"]
    assert {
        "code": 400,
        "status": alone.code,
        "reason": alone.reason,
        "message": alone.message,
        "metadata": alone.metadata,
    } == error


async def test_a_part_says_nothing_of_the_inside(resources: Resources, world: World) -> None:
    """A failure of ours is told as it is of a call; where it is that of all images the call fails."""
    world.backend.decode_error = InferenceFailed("CUDA error at 0xdeadbeef.")

    whole = await resources.segment_batch([(LYING_ID, [CLICK])])
    part = await resources.segment_batch([(LYING_ID, [CLICK]), (LOST_ID, [CLICK])])

    assert ("INTERNAL", "INFERENCE_FAILED") == whole.refusal
    assert ["INFERENCE_FAILED", "IMAGE_NOT_FOUND"] == reasons(part)
    assert "CUDA" not in whole.message + str(part.payload)


async def test_images_that_fail_for_one_reason_fail_the_call(resources: Resources, world: World) -> None:
    """With its code, and the time after which it is worth trying again."""
    lost = await resources.segment_batch([(LOST_ID, [CLICK]), (LOST_ID, [BOX])])
    world.backend.decode_error = BackendUnavailable("away")
    away = await resources.segment_batch([(LYING_ID, [CLICK]), (UPRIGHT_ID, [CLICK, CLICK])])

    assert ("NOT_FOUND", "IMAGE_NOT_FOUND") == lost.refusal
    assert ("UNAVAILABLE", "BACKEND_UNAVAILABLE", 1) == (*away.refusal, away.retry_after)


@pytest.mark.parametrize(
    ("images", "asking", "refusal"),
    [
        ([], {}, ("INVALID_ARGUMENT", "INVALID_REQUEST")),
        ([(LYING_ID, [CLICK] * 257)], {}, ("INVALID_ARGUMENT", "INVALID_REQUEST")),
        ([(LYING_ID, [CLICK] * 128), (UPRIGHT_ID, [CLICK] * 129)], {}, ("INVALID_ARGUMENT", "INVALID_REQUEST")),
        ([(LYING_ID, [])] * 257, {}, ("INVALID_ARGUMENT", "INVALID_REQUEST")),
        ([(LYING_ID, [NOTHING] * 4097)], {}, ("INVALID_ARGUMENT", "INVALID_REQUEST")),
        ([(LYING_ID, [CLICK])], {"model": "vit_z"}, ("NOT_FOUND", "MODEL_NOT_FOUND")),
    ],
    ids=["empty", "prompts", "prompts of two", "images", "absurd", "model"],
)
async def test_calls_that_are_refused(
    resources: Resources,
    world: World,
    images: Images,
    asking: dict[str, str],
    refusal: tuple[str, str],
) -> None:
    """A batch of nothing, of too much, or with a model that is not there costs nothing."""
    answer = await resources.segment_batch(images, asking=asking)

    assert refusal == answer.refusal
    assert (0, []) == (world.backend.encodes, world.backend.decodes)


async def test_what_is_asked_is_asked_for_all(resources: Resources, world: World) -> None:
    """Coordinates, rule and forms go for each prompt; masks to start from are each prompt's own."""
    fractions = {"points": [{"x": 0.25, "y": 0.5}]}
    refined = {**fractions, "mask": {"logits": b64encode(LOGITS).decode()}}

    answer = await resources.segment_batch(
        [(LYING_ID, [fractions, refined])],
        asking={"coordinates": "normalized", "multimask": "single", "output": {"formats": ["low_res_logits"]}},
    )

    masks = [mask for part in answer.payload["images"][0]["prompts"] for mask in part["masks"]]
    starts = [decode.slots.mask for decode in world.backend.decodes]
    assert [0, 0] == [mask["token"] for mask in masks]
    assert [(None, True)] * 2 == [(mask["rle"], mask["low_res_logits"] is not None) for mask in masks]
    assert [[16, 24], [16, 24]] == [decode.slots.coords[0].tolist() for decode in world.backend.decodes]
    assert starts[0] is None
    assert starts[1] is not None
    assert LOGITS == starts[1].tobytes()


async def test_masks_of_batches_have_handles_where_that_is_asked(resources: Resources, world: World) -> None:
    """They can be refined by the next batch, on their image; anywhere else that prompt alone fails."""
    images = [(LYING_ID, [CLICK, BOX])]
    first = await resources.segment_batch(
        images, asking={"output": {"formats": ["low_res_logits"], "mask_handles": True}}
    )
    (found, _) = first.payload["images"][0]["prompts"]
    refined = {**CLICKS, "mask": {"mask_handle": found["masks"][0]["mask_handle"]}}

    again = await resources.segment_batch([(LYING_ID, [CLICK, refined]), (UPRIGHT_ID, [refined, CLICK])])

    starts = [decode.slots.mask for decode in world.backend.decodes]
    assert [["", ""], ["MASK_HANDLE_NOT_FOUND", ""]] == reasons(again)
    assert [found["masks"][0]["low_res_logits"]["data"]] == [
        b64encode(mask.tobytes()).decode() for mask in starts if mask is not None
    ]


async def test_boxes_go_together(resources: Resources, world: World) -> None:
    """Ten boxes are three calls of the decoder of many, which takes four; the image is encoded once."""
    answer = await resources.segment_batch([(LYING_ID, [BOX] * 10)])

    assert [[""] * 10] == reasons(answer)
    assert ([4, 4, 2], 1) == (world.backend.together, world.backend.encodes)


async def test_long_prompts_are_taken(skin: Skin, world: World) -> None:
    """A click more than the decoder of one prompt has slots for is answered as any other."""
    points = [Point(index, 2) for index in range(12)]

    answer = await skin.segment(LYING_ID, *points, mask=MaskPrompt(logits=LOGITS))

    (decode,) = world.backend.decodes
    assert "OK" == answer.code
    assert [*[1] * 12, -1, -2, -2, -2] == decode.slots.labels.tolist()


async def test_batches_are_counted_and_timed(skin: Skin, resources: Resources, world: World) -> None:
    """A batch is a call of its own method; its times are there for each image and for the whole."""
    answer = await resources.segment_batch([(LYING_ID, [CLICK]), (UPRIGHT_ID, [BOX])])

    parts = [answer.payload["timing"], *(image["timing"] for image in answer.payload["images"])]
    assert 1 == world.answered(skin.name, "SegmentBatch", "OK")
    assert ["miss"] * 3 == [part["cache_tier"] for part in parts]
    assert parts[0]["decode_ms"] == pytest.approx(sum(part["decode_ms"] for part in parts[1:]))
    assert all(part["total_ms"] > 0 for part in parts)


async def test_a_deadline_ends_a_batch(resources: Resources, world: World) -> None:
    """As any other call."""
    world.backend.gate.clear()

    answer = await resources.segment_batch([(LYING_ID, [CLICK])], timeout=0.05)

    world.backend.gate.set()
    assert "DEADLINE_EXCEEDED" == answer.code


async def test_json_of_a_batch_may_be_long(rest: RestSkin) -> None:
    """Eight MiB are read where many prompts are sent, and no more."""
    body = b'{"images": [{"image_id": "%s"}]%s}'
    sent = [body % (LYING_ID.encode(), b" " * (size << 20)) for size in (7, 8)]

    taken, refused = [await rest.client.post("/v1/images:segment", content=content) for content in sent]

    assert (200, 400) == (taken.status_code, refused.status_code)
    assert "longer than 8388608 bytes" in refused.json()["error"]["message"]
