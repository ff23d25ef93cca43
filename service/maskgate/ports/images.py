"""Where images are kept, and what reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskgate.domain.image import EncoderImage, ImageId, ImageInfo, Region
    from maskgate.domain.tenant import Tenant
    from maskgate.domain.url import ImageUrl


class ImageStore(Protocol):
    """Keeps uploaded images until they expire or are deleted. Asking for an image makes it live on."""

    async def put(self, info: ImageInfo, content: bytes) -> None:
        """Keep an image, one that was deleted too. Keeping it twice is the same as once. Raises StoreUnavailable."""
        ...

    async def info(self, image_id: ImageId) -> ImageInfo | None:
        """Return what is known of an image, None where it is not kept. Raises StoreUnavailable."""
        ...

    async def infos(self, image_ids: Sequence[ImageId]) -> list[ImageInfo | None]:
        """Return what is known of many images, in their order, as `info` does. Raises StoreUnavailable."""
        ...

    async def content(self, image_id: ImageId) -> bytes | None:
        """Return the uploaded bytes, None where they are not kept. Raises StoreUnavailable."""
        ...

    async def delete(self, image_id: ImageId, *, but_for: Tenant | None = None) -> bool:
        """Forget an image unless a tenant, but for that one, may use it; returns whether it is forgotten.

        Looking and forgetting are one step: whoever is granted an image, and looks for it afterwards, finds it or has
        to put it. That it was deleted is remembered until it is put again: nothing else brings it back, and the shared
        cache takes and gives no embedding of it. Raises StoreUnavailable.
        """
        ...


class ImageFetcher(Protocol):
    """Fetches image files from elsewhere."""

    async def fetch(self, url: ImageUrl) -> bytes:
        """Return a file.

        Raises InvalidImageUrl where its host is not allowed, ImageTooLarge, and else ImageUrlUnavailable.
        """
        ...


class ImageCopies(Protocol):
    """Copies of images in the memory of this process."""

    def forget(self, image_id: ImageId) -> None:
        """Forget the copy of an image, if there is one."""
        ...


class Deletions(Protocol):
    """Tells which images were deleted through any gateway since this one began to listen."""

    async def heard(self) -> Sequence[ImageId]:
        """Return some of those that were not told yet; none: that is all for now. Raises StoreUnavailable."""
        ...


class ImageDecoder(Protocol):
    """Reads image files. The first frame counts, as RGB, with the EXIF orientation applied."""

    async def inspect(self, image_id: ImageId, content: bytes) -> ImageInfo:
        """Decode an upload once to know that it can be decoded.

        Raises InvalidImage where it cannot, and ImageTooLarge, before a pixel is decoded, where it has too many.
        """
        ...

    async def prepare(self, content: bytes, *, side: int, region: Region | None = None) -> EncoderImage:
        """Decode an image and fit it, or a part of it, into an encoder's square input of that side.

        Raises InvalidImage.
        """
        ...
