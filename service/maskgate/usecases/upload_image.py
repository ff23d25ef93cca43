"""Keep an image, so that it can be segmented by its identifier."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from maskgate.domain.errors import StoreUnavailable
from maskgate.domain.image import ImageId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskgate.domain.call import Call
    from maskgate.domain.image import ImageInfo, ImageLimits
    from maskgate.ports import ImageDecoder, ImageStore, Offload
    from maskgate.usecases.admission import Admission
    from maskgate.usecases.delete_image import ForgetImage
    from maskgate.usecases.owned_images import OwnedImages


class UploadImage:
    """Hash first: what is kept already is neither decoded nor stored again."""

    def __init__(
        self,
        *,
        images: OwnedImages,
        store: ImageStore,
        decoder: ImageDecoder,
        limits: ImageLimits,
        admission: Admission,
        forget: ForgetImage,
        offload: Offload,
    ) -> None:
        self._images = images
        self._store = store
        self._decoder = decoder
        self._limits = limits
        self._admission = admission
        self._forget = forget
        self._offload = offload

    async def __call__(self, content: bytes, *, call: Call) -> ImageInfo:
        """Keep the bytes of an image file, let the caller use it, and say what it holds.

        Raises:
            InvalidImage: They are no image that can be read.
            ImageTooLarge: They are over the limits.
            Overloaded: Too many uploads wait already.
            StoreUnavailable: They could not be kept.
        """
        self._limits.check_bytes(len(content))
        async with self._admission.permit(call.tenant):
            image_id = await self._offload(lambda: ImageId.of(content))
            info = await self._known(image_id) or await self._decoder.inspect(image_id, content)
            gone = await self._images.grant(info, call=call)
            await self._keep(info, content)
        await self._make_room(gone)
        return info

    async def _keep(self, info: ImageInfo, content: bytes) -> None:
        """Look only once the image is granted: from then on it is not deleted with the last other one who had it."""
        if await self._known(info.image_id) is None:
            await self._store.put(info, content)

    async def _make_room(self, gone: Sequence[ImageId]) -> None:
        """Forget what went for the upload and nobody else has. Where that fails it expires: nobody can use it."""
        for image_id in gone:
            with suppress(StoreUnavailable):
                await self._forget(image_id)

    async def _known(self, image_id: ImageId) -> ImageInfo | None:
        try:
            return await self._store.info(image_id)
        except StoreUnavailable:
            return None  # whoever cannot tell may still be able to keep it
