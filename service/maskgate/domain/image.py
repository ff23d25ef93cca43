"""Images by their content: identifiers, sizes and limits."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maskgate.domain.errors import ImageTooLarge, InvalidImage, InvalidImageId

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

IMAGE_ID_PATTERN = "sha256:[0-9a-f]{64}"
"""What an identifier looks like, as a regular expression."""


@dataclass(frozen=True, slots=True)
class ImageId:
    """`sha256:` and 64 lower-case hexadecimal digits: the SHA-256 of the uploaded bytes."""

    text: str

    def __str__(self) -> str:
        return self.text

    @classmethod
    def of(cls, content: bytes) -> ImageId:
        """Compute the identifier of some uploaded bytes."""
        return cls(f"sha256:{hashlib.sha256(content).hexdigest()}")

    @classmethod
    def parse(cls, text: str) -> ImageId:
        """Read an identifier that a client sent.

        Raises:
            InvalidImageId: The text has another form.
        """
        if not re.fullmatch(IMAGE_ID_PATTERN, text):
            raise InvalidImageId("An image_id is 'sha256:' and 64 lower-case hexadecimal digits.", image_id=text[:80])
        return cls(text)


@dataclass(frozen=True, slots=True)
class ImageSize:
    """Width and height in pixels, after the EXIF orientation has been applied."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Region:
    """A part of an oriented image: whole pixels, right and bottom edges exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def size(self) -> ImageSize:
        """Width and height."""
        return ImageSize(self.right - self.left, self.bottom - self.top)

    @property
    def area(self) -> int:
        """Number of pixels."""
        return self.size.width * self.size.height

    @property
    def edges(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom."""
        return self.left, self.top, self.right, self.bottom


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What is known of an image without its pixels."""

    image_id: ImageId
    size: ImageSize
    format: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class EncoderImage:
    """An image made ready for an image encoder.

    Attributes:
        pixels: uint8 [3, S, S], RGB, 0..255; the image lies in the top left corner, the rest is 0.
        valid: Size of the image inside `pixels`.
        original: Size of the oriented image.
    """

    pixels: npt.NDArray[np.uint8]
    valid: ImageSize
    original: ImageSize


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What an upload may weigh. Pixels are counted from the header, before any is decoded.

    Attributes:
        max_bytes: Size of the file.
        max_pixels: Width times height.
        max_side: Width or height alone; a line of a million pixels would be cheap to send and costly to interpolate.
    """

    max_bytes: int
    max_pixels: int
    max_side: int

    def check_bytes(self, size_bytes: int) -> None:
        """Refuse an upload by its size in bytes.

        Raises:
            InvalidImage: There are no bytes.
            ImageTooLarge: There are too many.
        """
        if size_bytes == 0:
            raise InvalidImage("The upload is empty.")
        if size_bytes > self.max_bytes:
            raise ImageTooLarge(
                f"The upload is larger than the limit of {self.max_bytes} bytes.",
                limit_bytes=self.max_bytes,
            )

    def check_pixels(self, size: ImageSize) -> None:
        """Refuse an image by its number of pixels.

        Raises:
            ImageTooLarge: There are too many, in all or along a side.
        """
        if size.width * size.height > self.max_pixels or max(size.width, size.height) > self.max_side:
            raise ImageTooLarge(
                f"The image has {size.width} x {size.height} pixels; "
                f"the limits are {self.max_pixels} in all and {self.max_side} along a side.",
                width=size.width,
                height=size.height,
                limit_pixels=self.max_pixels,
                limit_side=self.max_side,
            )
