from __future__ import annotations

import io
import struct
import warnings

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from maskgate.adapters.pillow import PillowImageDecoder, PillowMaskEncoder, PillowMaskReader, warn_of_no_damage
from maskgate.domain.errors import ImageTooLarge, InvalidImage, InvalidPrompt
from maskgate.domain.image import ImageId, ImageInfo, ImageLimits, ImageSize
from tests import pictures
from tests.fakes import inline

LIMITS = ImageLimits(max_bytes=10_000_000, max_pixels=10_000, max_side=1000)
DECODER = PillowImageDecoder(limits=LIMITS, offload=inline)

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
UPRIGHT = np.array([[RED, GREEN], [BLUE, WHITE]], np.uint8).repeat(8, axis=0).repeat(8, axis=1)
"""What a viewer sees: RGB [16, 16, 3] of four colours."""

# How a camera stores UPRIGHT for each orientation: the inverse of what a viewer has to do (EXIF 2.3, tag 0x0112).
AS_STORED = {
    1: UPRIGHT,
    2: UPRIGHT[:, ::-1],
    3: UPRIGHT[::-1, ::-1],
    4: UPRIGHT[::-1],
    5: UPRIGHT.transpose(1, 0, 2),
    6: np.rot90(UPRIGHT, 1),
    7: UPRIGHT[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90(UPRIGHT, -1),
}

# Pillow warns of damage that it can live with; a gateway switches that off.
lenient = pytest.mark.filterwarnings("ignore::UserWarning:PIL")


async def inspect(content: bytes) -> ImageInfo:
    return await DECODER.inspect(ImageId.of(content), content)


async def seen(content: bytes, *, side: int = 40) -> npt.NDArray[np.uint8]:
    """The pixels that an encoder sees, RGB [H, W, 3], without the padding."""
    image = await DECODER.prepare(content, side=side)
    return image.pixels[:, : image.valid.height, : image.valid.width].transpose(1, 2, 0)


async def test_inspecting_tells_what_an_image_is() -> None:
    """Identifier, size, format and weight come from the file."""
    content = pictures.jpeg(50, 20)

    info = await inspect(content)

    assert ImageInfo(ImageId.of(content), ImageSize(50, 20), "JPEG", len(content)) == info


@pytest.mark.parametrize("kind", pictures.UNUSUAL)
async def test_every_kind_is_inspected_and_prepared(kind: str) -> None:
    """What is accepted can be prepared, as RGB of the same size."""
    content = pictures.UNUSUAL[kind]

    info = await inspect(content)
    image = await DECODER.prepare(content, side=64)

    assert ImageSize(40, 30) == info.size == image.original
    assert (3, 64, 64) == image.pixels.shape
    assert np.uint8 == image.pixels.dtype


@pytest.mark.parametrize(
    ("kind", "tolerance"),
    [
        ("CMYK JPEG", 12),
        ("CMYK TIFF", 1),
        ("RGBA PNG", 0),
        ("RGBA WebP", 0),
        ("animated PNG", 0),
        ("animated WebP", 40),
        ("animated GIF", 60),
        ("palette PNG", 60),
        ("several pictures in a JPEG", 40),
        ("progressive JPEG", 40),
        ("AVIF", 40),
        ("BMP", 0),
    ],
)
async def test_colours_are_kept(kind: str, tolerance: int) -> None:
    """The first frame is seen in its colours, as far as the format has them; transparency is ignored."""
    difference = np.abs((await seen(pictures.UNUSUAL[kind])).astype(int) - pictures.pixels())

    assert difference.max() <= tolerance


@pytest.mark.parametrize("kind", ["16-bit PNG", "16-bit TIFF", "32-bit TIFF"])
async def test_sixteen_bits_become_eight(kind: str) -> None:
    """The high byte counts: a ramp over all of 16 bits is a ramp over all of 8."""
    pixels = await seen(pictures.UNUSUAL[kind])

    expected = np.linspace(0, 65535, 40).astype(np.uint16) >> 8
    np.testing.assert_array_equal(np.tile(expected[None, :, None], (30, 1, 3)), pixels)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", AS_STORED)
async def test_orientation_is_applied_to_the_pixel(kind: str, orientation: int) -> None:
    """Whatever way the camera was held, and whatever way the format says so, an encoder sees the image upright."""
    options = {"lossless": True} if kind == "WEBP" else {}
    stored = Image.fromarray(np.ascontiguousarray(AS_STORED[orientation]))
    content = pictures.write(stored, kind, orientation=orientation, **options)

    np.testing.assert_array_equal(UPRIGHT, await seen(content, side=16))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
async def test_sizes_are_those_of_the_oriented_image(kind: str, orientation: int) -> None:
    """Inspecting and preparing agree on the size: four of the eight orientations swap width and height."""
    content = pictures.write(pictures.rgb(50, 20), kind, orientation=orientation)
    expected = ImageSize(20, 50) if orientation > 4 else ImageSize(50, 20)

    info, image = await inspect(content), await DECODER.prepare(content, side=64)

    assert expected == info.size == image.original


@pytest.mark.parametrize("orientation", [0, 9, 255])
async def test_orientations_that_do_not_exist(orientation: int) -> None:
    """An orientation that EXIF does not know is none."""
    content = pictures.write(pictures.rgb(50, 20), "PNG", orientation=orientation)

    info, image = await inspect(content), await DECODER.prepare(content, side=64)

    assert ImageSize(50, 20) == info.size == image.original


@pytest.mark.parametrize("size", [(40, 30), (30, 40), (100, 99), (7, 3), (1, 1), (1000, 1), (1, 1000)], ids=str)
@pytest.mark.parametrize("side", [32, 512])
async def test_resizing_is_the_references(size: tuple[int, int], side: int) -> None:
    """The longest side becomes S by PIL's bilinear filter, as torchvision does it; the rest is 0."""
    image = pictures.rgb(*size)

    actual = await DECODER.prepare(pictures.write(image, "PNG"), side=side)

    valid = actual.valid
    expected = np.zeros((side, side, 3), np.uint8)
    resized = image.resize((valid.width, valid.height), Image.Resampling.BILINEAR)
    expected[: valid.height, : valid.width] = np.asarray(resized)
    assert side == max(valid.width, valid.height)
    np.testing.assert_array_equal(expected, actual.pixels.transpose(1, 2, 0))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
@lenient
async def test_truncated_files_are_refused(kind: str, part: float) -> None:
    """A file that ends early is refused on upload, not later."""
    content = pictures.write(pictures.rgb(90, 90), kind)

    with pytest.raises(InvalidImage):
        await inspect(content[: int(len(content) * part)])


@pytest.mark.parametrize(
    "content",
    [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"RIFF\0\0\0\0WEBP", b"II*\0", b"BM", b"<svg></svg>"],
    ids=repr,
)
@lenient
async def test_headers_alone_are_no_image(content: bytes) -> None:
    """A file that only starts like an image is refused."""
    with pytest.raises(InvalidImage):
        await inspect(content)


async def test_floating_point_pixels_are_refused() -> None:
    """Nobody can tell what is white in an image of floating-point numbers."""
    content = pictures.write(pictures.rgb().convert("L").convert("F"), "TIFF")

    with pytest.raises(InvalidImage, match="no agreed range"):
        await inspect(content)


async def test_other_formats_are_refused() -> None:
    """Formats whose decoders nobody fuzzes are refused, with those that are not."""
    content = pictures.write(pictures.rgb(), "PPM")

    with pytest.raises(InvalidImage, match=r"known format .*JPEG, PNG"):
        await inspect(content)


async def test_too_many_pixels_are_refused_undecoded() -> None:
    """The header is enough: the data behind it, which is missing here, is not asked for."""
    content = pictures.png(101, 100)

    with pytest.raises(ImageTooLarge):
        await inspect(content[:60])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF"])
@lenient
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_damaged_files_never_surprise(kind: str, data: st.DataObject) -> None:
    """Whatever bytes change, a file is either refused for a reason or can be prepared with the size that was told."""
    content = bytearray(pictures.write(pictures.rgb(30, 20), kind, orientation=6))  # EXIF can be damaged as well
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, min(len(content), 600) - 1))] = data.draw(st.integers(0, 255))

    try:
        info = await inspect(bytes(content))
    except InvalidImage:
        return
    image = await DECODER.prepare(bytes(content), side=32)

    assert info.size == image.original


def test_masks_become_png() -> None:
    """A mask is one channel, 255 where it is set."""
    mask = np.zeros((3, 5), np.bool_)
    mask[1, 2:4] = True

    written = Image.open(io.BytesIO(PillowMaskEncoder().png(np.asfortranarray(mask))))

    assert ("PNG", "L", (5, 3)) == (written.format, written.mode, written.size)
    np.testing.assert_array_equal(mask * 255, np.asarray(written))


def test_masks_are_read_as_they_were_written() -> None:
    """What the encoder writes the reader reads."""
    mask = np.random.default_rng(2).random((30, 40)) < 0.5

    read = PillowMaskReader().pixels(PillowMaskEncoder().png(mask), size=ImageSize(40, 30))

    np.testing.assert_array_equal(mask, read, strict=True)


@settings(max_examples=200)
@given(data=st.data())
def test_damaged_masks_never_surprise(data: st.DataObject) -> None:
    """Whatever byte is changed: a mask of the image's size comes back, or a refusal."""
    content = bytearray(PillowMaskEncoder().png(np.eye(30, 40, dtype=np.bool_)))
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))

    try:
        pixels = PillowMaskReader().pixels(bytes(content), size=ImageSize(40, 30))
    except InvalidPrompt:
        return

    assert (30, 40) == pixels.shape


async def test_odd_files_raise_no_warnings() -> None:
    """EXIF whose tag is longer than the file is passed over: Python would write and remember a warning of each."""
    tag = struct.pack(">HHI", pictures.ORIENTATION_TAG, 3, 1)
    odd = pictures.jpeg(orientation=6).replace(tag, struct.pack(">HHI", pictures.ORIENTATION_TAG, 3, 60_000))

    with pytest.raises(UserWarning, match="larger than file"):  # an error in tests
        await inspect(odd)
    with warnings.catch_warnings():
        warn_of_no_damage()
        info = await inspect(odd)

    assert (40, 30) == (info.size.width, info.size.height)
