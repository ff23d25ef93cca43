"""Pillow: image files in, PNG masks in and out."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from maskgate.domain.errors import ImageTooLarge, InvalidImage, InvalidPrompt
from maskgate.domain.frame import Frame
from maskgate.domain.image import EncoderImage, ImageInfo, ImageSize

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from maskgate.domain.image import ImageId, ImageLimits, Region
    from maskgate.ports import Offload

# Formats with decoders that are widely fuzzed; Pillow knows dozens more.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
_ORIENTATION_TAG = 0x0112
_TRANSPOSED = (5, 6, 7, 8)  # EXIF orientations that swap width and height
_MASK_MODES = ("1", "L")
_HALF = 128
# What Pillow's decoders are known to raise on damaged files, beside OSError.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    EOFError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    struct.error,
    zlib.error,
)


class PillowImageDecoder:
    """Decodes the first frame of an image file to oriented RGB."""

    def __init__(self, *, limits: ImageLimits, offload: Offload) -> None:
        self._limits = limits
        self._offload = offload

    async def inspect(self, image_id: ImageId, content: bytes) -> ImageInfo:
        """See ImageDecoder."""
        return await self._offload(lambda: self._inspect(image_id, content))

    async def prepare(self, content: bytes, *, side: int, region: Region | None = None) -> EncoderImage:
        """See ImageDecoder."""
        return await self._offload(lambda: self._prepare(content, side, region))

    def _inspect(self, image_id: ImageId, content: bytes) -> ImageInfo:
        with self._opened(content) as image:
            image.load()  # only decoding tells whether the file is whole
            _to_rgb(image.crop((0, 0, 1, 1)))  # and one pixel, whether it can be read as RGB
            return ImageInfo(image_id, _oriented_size(image), image.format or "UNKNOWN", len(content))

    def _prepare(self, content: bytes, side: int, region: Region | None) -> EncoderImage:
        with self._opened(content) as image:
            ImageOps.exif_transpose(image, in_place=True)
            oriented = _to_rgb(image if region is None else image.crop(region.edges))
            original = ImageSize(oriented.width, oriented.height)
            valid = Frame(original, side).valid
            # Bilinear with antialiasing: what the reference's torchvision resize does to a PIL image.
            resized = oriented.resize((valid.width, valid.height), Image.Resampling.BILINEAR)
        pixels = np.zeros((3, side, side), np.uint8)
        pixels[:, : valid.height, : valid.width] = np.asarray(resized).transpose(2, 0, 1)
        return EncoderImage(pixels, valid, original)

    @contextmanager
    def _opened(self, content: bytes) -> Iterator[Image.Image]:
        """Open a file with its size checked, and turn whatever a decoder raises into InvalidImage."""
        try:
            with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
                self._limits.check_pixels(ImageSize(image.width, image.height))
                yield image
        except UnidentifiedImageError as error:
            raise InvalidImage(f"The bytes are no image of a known format ({', '.join(_FORMATS)}).") from error
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise ImageTooLarge(f"The image has too many pixels: {error}") from error
        except _DAMAGE as error:
            raise InvalidImage(f"The image cannot be decoded: {error}") from error


def _oriented_size(image: Image.Image) -> ImageSize:
    """Return the size after orientation of a loaded image; Pillow turns TIFFs itself while it loads them."""
    if image.getexif().get(_ORIENTATION_TAG) in _TRANSPOSED:
        return ImageSize(image.height, image.width)
    return ImageSize(image.width, image.height)


def _to_rgb(image: Image.Image) -> Image.Image:
    """Return the image as RGB; transparency is dropped, more than 8 bits a channel are scaled down."""
    if image.mode == "RGB":
        return image  # `convert` would copy it
    if image.mode == "F":
        raise ValueError("floating-point pixels have no agreed range")
    if image.mode.startswith("I"):
        grey = (np.asarray(image) >> 8).clip(0, 255).astype(np.uint8)
        return Image.fromarray(grey).convert("RGB")
    return image.convert("RGB")


class PillowMaskEncoder:
    """Writes masks as PNG."""

    def png(self, pixels: npt.NDArray[np.bool_]) -> bytes:
        """See MaskEncoder."""
        buffer = io.BytesIO()
        Image.fromarray(pixels.astype(np.uint8) * 255).save(buffer, "PNG", compress_level=1)
        return buffer.getvalue()


class PillowMaskReader:
    """Reads PNG masks."""

    def pixels(self, png: bytes, *, size: ImageSize) -> npt.NDArray[np.bool_]:
        """See MaskReader."""
        try:
            with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
                _check_mask(image, size)
                return np.asarray(image.convert("L")) >= _HALF
        except UnidentifiedImageError as error:
            raise InvalidPrompt("mask.png is no PNG.", field="mask.png") from error
        except _DAMAGE as error:
            raise InvalidPrompt(f"mask.png cannot be decoded: {error}", field="mask.png") from error
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise InvalidPrompt(f"mask.png has too many pixels: {error}", field="mask.png") from error


def _check_mask(image: Image.Image, size: ImageSize) -> None:
    """Refuse a mask by its header, before a pixel is decoded: one of the image's size is within the limits."""
    if (image.width, image.height) != (size.width, size.height):
        raise InvalidPrompt(
            f"mask.png has {image.width} x {image.height} pixels; "
            f"the image, as it is shown, has {size.width} x {size.height}.",
            field="mask.png",
            width=size.width,
            height=size.height,
        )
    if image.mode not in _MASK_MODES:
        raise InvalidPrompt(
            f"mask.png has mode {image.mode}; it must have one channel of at most 8 bits.", field="mask.png"
        )


def let_our_limits_decide() -> None:
    """Switch Pillow's own bomb warning off, which is a process-wide setting: ImageLimits are checked on each open."""
    Image.MAX_IMAGE_PIXELS = None


def warn_of_no_damage() -> None:
    """Switch Pillow's warnings of odd files off, for the process: clients choose the texts, and Python keeps each."""
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
