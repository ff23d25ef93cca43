"""The forms of masks: each is read back with somebody else's code, over gRPC and over REST."""

from __future__ import annotations

import io
from base64 import b64decode
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from pycocotools import mask as coco

from maskgate.domain.errors import InvalidRequest
from maskgate.domain.frame import Frame
from maskgate.domain.image import ImageId, ImageSize
from maskgate.domain.output import MaskOutput
from maskgate.domain.prompt import Point
from maskgate.domain.upscale import upscale
from tests import pictures
from tests.fakes import SPEC
from tests.unit.transport.skins import Output

if TYPE_CHECKING:
    from tests.unit.transport.skins import Answer, Skin
    from tests.unit.transport.world import World

Bools = npt.NDArray[np.bool_]

PHOTOS = {"lying": pictures.png(), "turned by EXIF": pictures.jpeg(orientation=6)}
SIZES = {"lying": ImageSize(40, 30), "turned by EXIF": ImageSize(30, 40)}
FORMATS = ("rle", "png", "cropped_png", "polygons", "low_res_logits")
PICTURE = """
................................
................................
..############..................
..############..................
..############....####..........
..####..........########........
..####..........##....##........
..####..........##....##........
..#########.....########........
..#########.......####..........
..#########.....................
..####..........................
..####..........................
..####...........##.............
..####...........##.............
................................
"""
"""An F, a ring and a dot, in the upper left of the square."""
TOKEN = 2
"""Of the best mask, by what FakeBackend predicts."""


def letters() -> npt.NDArray[np.float16]:
    """Logits [T, M, M]: of token 2 the picture, of the others nothing."""
    logits = np.full((SPEC.mask_tokens, SPEC.mask_size, SPEC.mask_size), -3, np.float16)
    rows = PICTURE.split()
    logits[TOKEN, : len(rows)] = [[4 if pixel == "#" else -4 for pixel in row] for row in rows]
    return logits


def drawn(size: ImageSize) -> Bools:
    return upscale(letters()[TOKEN].astype(np.float32), Frame(size, SPEC.input_size))


async def ask(skin: Skin, world: World, output: Output | None = None, *, photo: str = "lying") -> dict[str, Any]:
    """The mask of the picture in the forms that are asked for."""
    answer = await answered(skin, world, output, photo=photo)
    (mask,) = answer.payload["masks"]
    assert isinstance(mask, dict)
    return mask


async def answered(skin: Skin, world: World, output: Output | None, *, photo: str = "lying") -> Answer:
    if world.backend.logits is None:
        world.backend.logits = letters()
    await skin.upload(PHOTOS[photo])
    return await skin.segment(str(ImageId.of(PHOTOS[photo])), Point(3, 3), output=output)


def image_of(text: str) -> npt.NDArray[np.uint8]:
    with Image.open(io.BytesIO(b64decode(text))) as image:
        assert ("PNG", "L") == (image.format, image.mode)
        return np.asarray(image)


def inside(x: float, y: float, ring: list[int]) -> bool:
    """Whether a ray to the right crosses a ring an odd number of times."""
    corners = list(zip(ring[::2], ring[1::2], strict=True))
    crossings = [
        (first[1] > y) != (second[1] > y)
        and x < first[0] + (y - first[1]) / (second[1] - first[1]) * (second[0] - first[0])
        for first, second in pairwise([*corners, corners[0]])
    ]
    return sum(crossings) % 2 == 1


def pixels_of(polygons: list[dict[str, Any]], size: ImageSize) -> Bools:
    """A pixel is set if its centre lies in an exterior and in none of its holes."""
    return np.array(
        [
            [
                any(
                    inside(x + 0.5, y + 0.5, polygon["exterior"])
                    and not any(inside(x + 0.5, y + 0.5, hole) for hole in polygon["holes"])
                    for polygon in polygons
                )
                for x in range(size.width)
            ]
            for y in range(size.height)
        ]
    )


@pytest.mark.parametrize("photo", PHOTOS)
async def test_run_lengths(skin: Skin, world: World, photo: str) -> None:
    """Pycocotools reads the runs as the mask, not as its transpose."""
    mask = await ask(skin, world, Output(("rle",)), photo=photo)

    rle = mask["rle"]
    pixels = coco.decode({"size": rle["size"], "counts": rle["counts"].encode()})
    np.testing.assert_array_equal(drawn(SIZES[photo]), pixels > 0)


@pytest.mark.parametrize("photo", PHOTOS)
async def test_png(skin: Skin, world: World, photo: str) -> None:
    """Pillow reads a picture of the image's size, 255 on the mask and 0 elsewhere."""
    mask = await ask(skin, world, Output(("png",)), photo=photo)

    np.testing.assert_array_equal(drawn(SIZES[photo]) * np.uint8(255), image_of(mask["png"]))


@pytest.mark.parametrize("photo", PHOTOS)
async def test_cropped_png(skin: Skin, world: World, photo: str) -> None:
    """Pasted where it says, the part inside the box is the whole mask, and it is no larger than the box."""
    mask = await ask(skin, world, Output(("cropped_png",)), photo=photo)

    crop, box = mask["cropped_png"], mask["box"]
    part = image_of(crop["png"])
    pasted = np.zeros((SIZES[photo].height, SIZES[photo].width), np.uint8)
    pasted[crop["y"] : crop["y"] + part.shape[0], crop["x"] : crop["x"] + part.shape[1]] = part
    assert (box["x1"], box["y1"]) == (crop["x"], crop["y"])
    assert (box["y2"] - box["y1"], box["x2"] - box["x1"]) == part.shape
    np.testing.assert_array_equal(drawn(SIZES[photo]), pasted > 0)


@pytest.mark.parametrize("photo", PHOTOS)
async def test_polygons(skin: Skin, world: World, photo: str) -> None:
    """A pixel is set exactly if its centre lies in a polygon: parts and holes are all there, and areas are pixels."""
    mask = await ask(skin, world, Output(("polygons",)), photo=photo)

    polygons = mask["polygons"]
    np.testing.assert_array_equal(drawn(SIZES[photo]), pixels_of(polygons, SIZES[photo]))
    assert [0, 1, 0] == [len(polygon["holes"]) for polygon in polygons]
    assert mask["area"] == sum(polygon["area"] for polygon in polygons)


async def test_low_res_logits(skin: Skin, world: World) -> None:
    """Numpy reads the decoder's logits as they were; the image is in the upper part of the square."""
    mask = await ask(skin, world, Output(("low_res_logits",)))

    logits = mask["low_res_logits"]
    found = np.frombuffer(b64decode(logits["data"]), "<f2").reshape(logits["side"], logits["side"])
    np.testing.assert_array_equal(letters()[TOKEN], found)
    assert (32, 32, 24) == (logits["side"], logits["valid_width"], logits["valid_height"])


@pytest.mark.parametrize("asked", [None, Output(), Output(("rle", "rle"))], ids=str)
async def test_run_lengths_are_the_default(skin: Skin, world: World, asked: Output | None) -> None:
    """Who asks for no form gets run lengths and nothing else."""
    mask = await ask(skin, world, asked)

    assert ["rle"] == [form for form in FORMATS if mask[form] is not None]


@pytest.mark.parametrize("form", FORMATS)
async def test_only_what_is_asked_for_comes(skin: Skin, world: World, form: str) -> None:
    """Scores, area, box and token are there in any case."""
    mask = await ask(skin, world, Output((form,)))

    assert [form] == [known for known in FORMATS if mask[known] is not None]
    assert (int(drawn(SIZES["lying"]).sum()), TOKEN) == (mask["area"], mask["token"])
    assert mask["stability_score"] == 1.0
    assert mask["box"] is not None


async def test_all_forms_at_once(skin: Skin, world: World) -> None:
    """One call may ask for every form."""
    mask = await ask(skin, world, Output(FORMATS))

    assert all(mask[form] for form in FORMATS)


async def test_empty_masks(skin: Skin, world: World) -> None:
    """Nothing has no box, no part and no crop; its picture is black, and its logits are there all the same."""
    world.backend.logits = np.full_like(letters(), -3)

    mask = await ask(skin, world, Output(FORMATS))

    assert [None, None] == [mask["box"], mask["cropped_png"]]
    assert not mask["polygons"]
    assert (0, 0.0) == (mask["area"], mask["stability_score"])
    assert not image_of(mask["png"]).any()
    assert not coco.decode({"size": mask["rle"]["size"], "counts": mask["rle"]["counts"].encode()}).any()
    assert 2 * 32 * 32 == len(b64decode(mask["low_res_logits"]["data"]))


async def test_polygons_are_simplified_on_request(skin: Skin, world: World) -> None:
    """A tolerance takes points away, and a least area the dot and the ring's hole."""
    exact = await ask(skin, world, Output(("polygons",)))

    coarse = await ask(skin, world, Output(("polygons",), polygon_tolerance=1.5))
    large = await ask(skin, world, Output(("polygons",), polygon_min_area=30))

    points = [sum(len(part["exterior"]) for part in mask["polygons"]) for mask in (exact, coarse)]
    assert points[1] < points[0]
    assert [0, 0] == [len(part["holes"]) for part in large["polygons"]]
    assert [part["area"] for part in exact["polygons"][:2]] == [part["area"] for part in large["polygons"]]


@pytest.mark.parametrize(
    "output",
    [
        Output(("jpeg",)),
        Output(("rle", "jpeg")),
        Output(("",)),
        Output(polygon_tolerance=float("nan")),
        Output(polygon_tolerance=float("inf")),
        Output(polygon_tolerance=-0.1),
        Output(polygon_tolerance=100.1),
        Output(polygon_min_area=-1),
    ],
    ids=str,
)
async def test_outputs_that_are_refused(skin: Skin, world: World, output: Output) -> None:
    """A form that nobody knows or a senseless number is refused with its place before a decode is spent on it."""
    answer = await answered(skin, world, output)

    assert ("INVALID_ARGUMENT", "INVALID_REQUEST") == answer.refusal
    assert "output" in answer.message
    assert answer.metadata["field"].startswith("output.")
    assert [] == world.backend.decodes


def test_an_area_that_the_contract_cannot_hold() -> None:
    """REST's numbers have no end, gRPC's do, and both are one contract."""
    with pytest.raises(InvalidRequest, match="polygon_min_area"):
        MaskOutput(polygon_min_area=2**63)


@pytest.mark.parametrize(("single", "token"), [(4.0, 0), (0.01, TOKEN)])
async def test_the_stable_mask(skin: Skin, world: World, single: float, token: int) -> None:
    """The single mask is taken where it is stable, and else the best of the others."""
    world.backend.logits = letters()
    world.backend.logits[0, 3:8, 5:20] = single
    await skin.upload(PHOTOS["lying"])

    answer = await skin.segment(str(ImageId.of(PHOTOS["lying"])), Point(3, 3), multimask="stable")

    assert [token] == [mask["token"] for mask in answer.payload["masks"]]
