from __future__ import annotations

import hashlib

import pytest

from maskgate.domain.errors import ImageTooLarge, InvalidImage, InvalidImageId
from maskgate.domain.image import ImageId, ImageLimits, ImageSize

LIMITS = ImageLimits(max_bytes=100, max_pixels=1000, max_side=200)


def test_identifier_is_the_sha256_of_the_bytes() -> None:
    """A client can compute an identifier itself."""
    expected = "sha256:" + hashlib.sha256(b"photo").hexdigest()

    assert expected == str(ImageId.of(b"photo"))


def test_identifiers_are_read_back() -> None:
    """An identifier that was handed out is taken again."""
    image_id = ImageId.of(b"photo")

    assert image_id == ImageId.parse(str(image_id))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "photo.jpg",
        "a" * 64,
        "sha256:" + "a" * 63,
        "sha256:" + "a" * 65,
        "sha256:" + "A" * 64,
        "sha256:" + "g" * 64,
        "md5:" + "a" * 64,
        " sha256:" + "a" * 64,
        "sha256:" + "a" * 64 + "\n",
    ],
)
def test_malformed_identifiers_are_refused(text: str) -> None:
    """Anything but 'sha256:' and 64 lower-case hexadecimal digits is refused."""
    with pytest.raises(InvalidImageId):
        ImageId.parse(text)


def test_refusals_repeat_only_the_start_of_a_long_identifier() -> None:
    """A client cannot make an error as long as it likes."""
    with pytest.raises(InvalidImageId) as refusal:
        ImageId.parse("x" * 10_000)

    assert {"image_id": "x" * 80} == refusal.value.metadata


@pytest.mark.parametrize(("size", "error"), [(0, InvalidImage), (101, ImageTooLarge)])
def test_uploads_are_limited_in_bytes(size: int, error: type[InvalidImage]) -> None:
    """No bytes and too many bytes are refused, each for its reason."""
    with pytest.raises(error) as refusal:
        LIMITS.check_bytes(size)

    assert error is refusal.type


@pytest.mark.parametrize("size", [ImageSize(7, 143), ImageSize(201, 4), ImageSize(4, 201)])
def test_images_are_limited_in_pixels(size: ImageSize) -> None:
    """The product and each side count, and the refusal says the size and the limits."""
    with pytest.raises(ImageTooLarge) as refusal:
        LIMITS.check_pixels(size)

    expected = {"width": size.width, "height": size.height, "limit_pixels": 1000, "limit_side": 200}
    assert {name: str(value) for name, value in expected.items()} == refusal.value.metadata


def test_limits_themselves_are_allowed() -> None:
    """An upload of exactly the limits passes."""
    LIMITS.check_bytes(1)
    LIMITS.check_bytes(100)
    LIMITS.check_pixels(ImageSize(10, 100))
    LIMITS.check_pixels(ImageSize(200, 5))
