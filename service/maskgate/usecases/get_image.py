"""Tell what is known of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskgate.domain.errors import ImageNotFound

if TYPE_CHECKING:
    from maskgate.domain.image import ImageId, ImageInfo
    from maskgate.ports import ImageStore


class GetImage:
    """Look an image up by its identifier."""

    def __init__(self, *, store: ImageStore) -> None:
        self._store = store

    async def __call__(self, image_id: ImageId) -> ImageInfo:
        """Return what is known of the image.

        Raises:
            ImageNotFound: It is not kept.
            StoreUnavailable: Nobody can tell.
        """
        info = await self._store.info(image_id)
        if info is None:
            raise image_not_found(image_id)
        return info


def image_not_found(image_id: ImageId) -> ImageNotFound:
    """Say that an image is not kept, and what to do about it."""
    return ImageNotFound(f"{image_id} is not kept here: upload it (again).", image_id=image_id)
