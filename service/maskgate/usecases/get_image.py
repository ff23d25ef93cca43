"""Tell what is known of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maskgate.domain.call import Call
    from maskgate.domain.image import ImageId, ImageInfo
    from maskgate.usecases.owned_images import OwnedImages


class GetImage:
    """Look an image up by its identifier."""

    def __init__(self, *, images: OwnedImages) -> None:
        self._images = images

    async def __call__(self, image_id: ImageId, *, call: Call) -> ImageInfo:
        """Return what is known of the image.

        Raises:
            ImageNotFound: It is not kept, or not the caller's.
            StoreUnavailable: Nobody can tell.
        """
        return await self._images.info(image_id, call=call)
