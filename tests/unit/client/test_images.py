from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from maskgate.client import AsyncClient, ImageId, ImageInfo, ImageSize, errors
from maskgate.domain.errors import StoreUnavailable
from tests import pictures
from tests.fakes import FakeStore
from tests.unit.client.conftest import serving
from tests.unit.transport.world import World

if TYPE_CHECKING:
    from pathlib import Path


PHOTO = pictures.png(40, 30)


class Forgetful(FakeStore):
    """Takes images, and cannot tell which it has."""

    async def info(self, image_id: ImageId) -> ImageInfo | None:
        raise StoreUnavailable("The store is away.", image_id=image_id)


async def test_an_image_is_uploaded_once(client: AsyncClient, world: World) -> None:
    """What the gateway has is not sent again: it is asked by the hash first."""
    first = await client.image(PHOTO)
    again = await client.image(PHOTO)

    assert ImageId.of(PHOTO) == first.id == again.id
    assert first.info == again.info
    assert 1 == world.answered("grpc", "UploadImage", "OK")


@pytest.mark.parametrize("kind", ["path", "text", "bytes", "array", "pillow"])
async def test_what_images_are_made_of(client: AsyncClient, tmp_path: Path, kind: str) -> None:
    """A file by its path or bytes, an array and an image of Pillow are the same image."""
    path = tmp_path / "photo.png"
    path.write_bytes(PHOTO)
    sources = {
        "path": path,
        "text": str(path),
        "bytes": PHOTO,
        "array": pictures.pixels(40, 30),
        "pillow": pictures.rgb(40, 30),
    }

    image = await client.image(sources[kind])

    assert (ImageSize(40, 30), "PNG") == (image.size, image.info.format)
    assert (await image.segment(points=[(5, 5)])).masks.shape == (1, 30, 40)


@pytest.mark.parametrize("shape", [(7, 5), (7, 5, 3), (7, 5, 4), (1, 1, 3)])
async def test_arrays_arrive_pixel_for_pixel(shape: tuple[int, ...]) -> None:
    """An array becomes a PNG without loss: grey, colours, and colours with transparency."""
    from maskgate.client._png import png_of  # noqa: PLC0415

    pixels = np.random.default_rng(1).integers(0, 256, shape, np.uint8)

    with Image.open(io.BytesIO(png_of(pixels))) as image:
        np.testing.assert_array_equal(pixels, np.asarray(image))


@pytest.mark.parametrize("pixels", [np.zeros((3, 4), np.float32), np.zeros((3, 4, 2), np.uint8), np.zeros(5, np.uint8)])
async def test_arrays_that_are_no_image(client: AsyncClient, pixels: np.ndarray) -> None:
    """An array of another shape or dtype is refused before anything is sent."""
    with pytest.raises(ValueError, match="pixels are uint8"):
        await client.image(pixels)


async def test_a_known_identifier_is_enough(client: AsyncClient) -> None:
    """An image that was uploaded before can be asked by its identifier; one that was not is told."""
    await client.image(PHOTO)

    image = await client.image(ImageId.of(PHOTO))

    assert ImageSize(40, 30) == image.size
    with pytest.raises(errors.ImageNotFound):
        await client.image(ImageId.of(b"another"))


async def test_a_forgotten_image_is_uploaded_again(client: AsyncClient, world: World) -> None:
    """An image that expired between two clicks is uploaded again, and the second click answered."""
    image = await client.image(PHOTO)
    await image.delete()

    answer = await image.segment(points=[(5, 5)])

    assert answer.best.area > 0
    assert 2 == world.answered("grpc", "UploadImage", "OK")


async def test_a_forgotten_image_without_its_file(client: AsyncClient) -> None:
    """An image that is known by its identifier alone cannot be uploaded again: its caller is told."""
    uploaded = await client.image(PHOTO)
    known = await client.image(uploaded.id)
    await uploaded.delete()

    with pytest.raises(errors.ImageNotFound):
        await known.segment(points=[(5, 5)])


async def test_what_is_no_image(client: AsyncClient) -> None:
    """The gateway's refusal is one of our errors, with its reason and gRPC's own error as its cause."""
    with pytest.raises(errors.InvalidImage) as refused:
        await client.image(b"no image")

    assert "INVALID_IMAGE" == refused.value.reason
    assert "INVALID_ARGUMENT" == refused.value.__cause__.code().name  # type: ignore[union-attr]


async def test_a_store_that_cannot_be_asked() -> None:
    """Where nobody knows whether an image is kept it is uploaded, which the gateway can take all the same."""
    world = World(store=Forgetful())
    async with serving(world) as served, AsyncClient(served.address) as client:
        image = await client.image(PHOTO)

    assert ImageId.of(PHOTO) == image.id
    assert 1 == world.answered("grpc", "GetImage", "UNAVAILABLE")
