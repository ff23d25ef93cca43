"""Where images are kept, and what reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from maskgate.domain.image import EncoderImage, ImageId, ImageInfo


class ImageStore(Protocol):
    """Keeps uploaded images until they expire. Asking for an image makes it live on."""

    async def put(self, info: ImageInfo, content: bytes) -> None:
        """Keep an image. Keeping it twice is the same as once. Raises StoreUnavailable."""
        ...

    async def info(self, image_id: ImageId) -> ImageInfo | None:
        """Return what is known of an image, None where it is not kept. Raises StoreUnavailable."""
        ...

    async def content(self, image_id: ImageId) -> bytes | None:
        """Return the uploaded bytes, None where they are not kept. Raises StoreUnavailable."""
        ...


class ImageDecoder(Protocol):
    """Reads image files. The first frame counts, as RGB, with the EXIF orientation applied."""

    async def inspect(self, image_id: ImageId, content: bytes) -> ImageInfo:
        """Decode an upload once to know that it can be decoded.

        Raises InvalidImage where it cannot, and ImageTooLarge, before a pixel is decoded, where it has too many.
        """
        ...

    async def prepare(self, content: bytes, *, side: int) -> EncoderImage:
        """Decode an image and fit it into an encoder's square input of that side. Raises InvalidImage."""
        ...
