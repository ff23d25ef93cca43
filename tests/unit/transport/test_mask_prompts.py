"""Masks to start from and normalised coordinates, over gRPC and over REST."""

from __future__ import annotations

import io
from base64 import b64decode
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from maskgate.domain.image import ImageId
from maskgate.domain.prompt import Box, Point
from maskgate.transport.grpc._pb import segmentation_pb2 as pb
from tests import pictures
from tests.fakes import SPEC
from tests.unit.transport.skins import MaskPrompt, Output

if TYPE_CHECKING:
    from tests.unit.transport.skins import GrpcSkin, RestSkin, Skin
    from tests.unit.transport.world import World

LYING = pictures.png()
UPRIGHT = pictures.jpeg(orientation=6)
IMAGE_ID = str(ImageId.of(LYING))
WIDTH, HEIGHT = 40, 30
M = SPEC.mask_size
CLICK, EMPTY = [1, -1, *[-2] * 6], [-2] * 8
ZEROS = np.zeros((M, M), "<f2")
INVALID = ("INVALID_ARGUMENT", "INVALID_PROMPT")


def png(width: int = WIDTH, height: int = HEIGHT, *, mode: str = "L", kind: str = "PNG") -> bytes:
    """A mask of the upper half."""
    buffer = io.BytesIO()
    image = Image.new("L", (width, height))
    image.paste(255, (0, 0, width, height // 2))
    image.convert(mode).save(buffer, kind)
    return buffer.getvalue()


def spoilt(value: float) -> bytes:
    logits = ZEROS.copy()
    logits[5, 7] = value
    return logits.tobytes()


async def test_logits_go_round(skin: Skin, world: World) -> None:
    """The logits of an answer, handed back beside a second click, are what the decoder starts from; none is encoded."""
    await skin.upload(LYING)
    first = await skin.segment(IMAGE_ID, Point(3, 3), output=Output(("low_res_logits",)))
    logits = b64decode(first.payload["masks"][0]["low_res_logits"]["data"])

    answer = await skin.segment(IMAGE_ID, Point(3, 3), Point(9, 9, 0), mask=MaskPrompt(logits=logits))

    mask = world.backend.decodes[1].slots.mask
    assert ("OK", 1) == (answer.code, world.backend.encodes)
    assert mask is not None
    assert logits == mask.tobytes()


@pytest.mark.parametrize("mask", [MaskPrompt(logits=ZEROS.tobytes()), MaskPrompt(png=png())], ids=["logits", "png"])
async def test_a_mask_alone_is_a_prompt(skin: Skin, world: World, mask: MaskPrompt) -> None:
    """Without points and box every slot is empty, and one mask is answered: the best of the ambiguous output."""
    await skin.upload(LYING)

    answer = await skin.segment(IMAGE_ID, mask=mask)

    (decode,) = world.backend.decodes
    assert EMPTY == decode.slots.labels.tolist()
    assert [2] == [found["token"] for found in answer.payload["masks"]]


@pytest.mark.parametrize(
    ("photo", "mask", "half"),
    [
        (LYING, png(40, 30), (12, 32)),
        (LYING, png(40, 30, mode="1"), (12, 32)),
        (UPRIGHT, png(30, 40), (16, 24)),
    ],
    ids=["lying", "one bit", "turned by EXIF"],
)
async def test_pictures_become_logits(
    skin: Skin, world: World, photo: bytes, mask: bytes, half: tuple[int, int]
) -> None:
    """A PNG of the upper half of the image as it is shown is 20 there in the model's frame, and -20 elsewhere."""
    await skin.upload(photo)

    await skin.segment(str(ImageId.of(photo)), Point(3, 3), mask=MaskPrompt(png=mask))

    rows, columns = half
    expected = np.full((M, M), -20, np.float16)
    expected[:rows, :columns] = 20
    (decode,) = world.backend.decodes
    assert CLICK == decode.slots.labels.tolist()
    assert decode.slots.mask is not None
    np.testing.assert_array_equal(expected, decode.slots.mask)


async def test_half_and_more_is_the_mask(skin: Skin, world: World) -> None:
    """Of a grey picture 128 is mask and 127 is not."""
    buffer = io.BytesIO()
    grey = np.full((HEIGHT, WIDTH), 127, np.uint8)
    grey[:, :20] = 128
    Image.fromarray(grey).save(buffer, "PNG")
    await skin.upload(LYING)

    await skin.segment(IMAGE_ID, mask=MaskPrompt(png=buffer.getvalue()))

    assert world.backend.decodes[0].slots.mask is not None
    assert [20] * 16 + [-20] * 16 == world.backend.decodes[0].slots.mask[0].tolist()


@pytest.mark.parametrize(
    "mask",
    [
        MaskPrompt(),
        MaskPrompt(logits=b""),
        MaskPrompt(logits=ZEROS.tobytes()[:-2]),
        MaskPrompt(logits=ZEROS.astype("<f4").tobytes()),
        MaskPrompt(logits=spoilt(np.nan)),
        MaskPrompt(logits=spoilt(-np.inf)),
        MaskPrompt(png=b""),
        MaskPrompt(png=b"no picture"),
        MaskPrompt(png=png()[:60]),
        MaskPrompt(png=png(HEIGHT, WIDTH)),
        MaskPrompt(png=png(WIDTH + 1)),
        MaskPrompt(png=png(20_000, 20_000, mode="1")),
        MaskPrompt(png=png(mode="RGB")),
        MaskPrompt(png=png(mode="P")),
        MaskPrompt(png=png(mode="I;16")),
        MaskPrompt(png=png(mode="LA")),
        MaskPrompt(png=png(kind="BMP")),
    ],
    ids=[
        "no source",
        "no logits",
        "too few logits",
        "single precision",
        "NaN",
        "infinity",
        "no bytes",
        "no picture",
        "cut short",
        "transposed",
        "another size",
        "huge",
        "RGB",
        "palette",
        "16 bits",
        "alpha",
        "BMP",
    ],
)
async def test_masks_that_are_refused(skin: Skin, world: World, mask: MaskPrompt) -> None:
    """A mask that cannot be read, or fits neither image nor model, is refused before a decode is spent on it."""
    await skin.upload(LYING)

    answer = await skin.segment(IMAGE_ID, Point(3, 3), mask=mask)

    assert INVALID == answer.refusal
    assert answer.metadata["field"].startswith("mask")
    assert [] == world.backend.decodes


@pytest.mark.parametrize(
    "mask",
    [{"png": "", "logits": ""}, {"png": None, "logits": None}, {"logits": "="}, {"logits": "né"}, {"handle": "x"}],
    ids=str,
)
async def test_json_masks_that_are_refused(rest: RestSkin, world: World, mask: dict[str, str | None]) -> None:
    """Two sources, none, what is not base64 and unknown fields are told by the place."""
    await rest.upload(LYING)

    answer = await rest.send(IMAGE_ID, {"mask": mask})

    assert "INVALID_ARGUMENT" == answer.code
    assert answer.metadata["field"].startswith("mask")
    assert [] == world.backend.decodes


@pytest.mark.parametrize(
    ("coordinates", "point", "box"),
    [
        (None, Point(10, 15), Box(4, 3, 40, 30)),
        ("pixels", Point(10, 15), Box(4, 3, 40, 30)),
        ("normalized", Point(0.25, 0.5), Box(0.1, 0.1, 1, 1)),
    ],
)
async def test_coordinates(skin: Skin, world: World, coordinates: str | None, point: Point, box: Box) -> None:
    """Pixels and fractions of the image as it is shown come to the same place in the model's frame."""
    await skin.upload(LYING)

    answer = await skin.segment(IMAGE_ID, point, box=box, coordinates=coordinates)

    assert "OK" == answer.code
    np.testing.assert_allclose([[16, 24], [6.4, 4.8], [64, 48]], world.backend.decodes[0].slots.coords[:3], rtol=1e-6)


async def test_fractions_are_of_the_upright_image(skin: Skin, world: World) -> None:
    """Of a photo that is turned by EXIF, fractions are those of its width and height as it is shown."""
    await skin.upload(UPRIGHT)

    await skin.segment(str(ImageId.of(UPRIGHT)), Point(0.5, 0.5), coordinates="normalized")

    assert [24, 32] == world.backend.decodes[0].slots.coords[0].tolist()


@pytest.mark.parametrize(
    ("point", "box"),
    [(Point(10, 15), None), (Point(1, 0), None), (Point(0, -0.1), None), (Point(0, 0), Box(0, 0, 1.1, 1))],
)
async def test_numbers_that_are_no_fractions(skin: Skin, world: World, point: Point, box: Box | None) -> None:
    """What lies outside 0 to 1 is refused, and told that fractions were announced."""
    await skin.upload(LYING)

    answer = await skin.segment(IMAGE_ID, point, box=box, coordinates="normalized")

    assert INVALID == answer.refusal
    assert "fractions" in answer.message
    assert [] == world.backend.decodes


async def test_coordinates_that_nobody_knows(skin: Skin) -> None:
    """A newer client's space is refused by name."""
    await skin.upload(LYING)

    answer = await skin.segment(IMAGE_ID, Point(0, 0), coordinates="miles")

    assert ("INVALID_ARGUMENT", "INVALID_REQUEST") == answer.refusal
    assert "coordinates" in answer.message


async def test_a_source_of_a_newer_client(over_grpc: GrpcSkin) -> None:
    """A mask from a source that this server does not know is refused, and not taken for none."""
    await over_grpc.upload(LYING)
    request = pb.SegmentRequest(image_id=IMAGE_ID, points=[pb.Point(x=1, y=1)])
    request.mask.MergeFromString(b"\x7a\x02mh")  # field 15

    answer = await over_grpc.send(request)

    assert INVALID == answer.refusal
