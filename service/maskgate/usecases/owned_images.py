"""The images of whoever calls: the one place that decides whether an identifier leads to an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskgate.domain.errors import ImageNotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskgate.domain.call import Call
    from maskgate.domain.image import ImageId, ImageInfo
    from maskgate.ports import ImageGrants, ImageStore


class OwnedImages:
    """What is somebody else's is answered as what nobody has, and neither store nor cache is asked for it.

    Args:
        store: Where images are kept, whoever has uploaded them.
        grants: Who may use which.
        embedding_bytes: What an embedding weighs, beside the file of its image.
    """

    def __init__(self, *, store: ImageStore, grants: ImageGrants, embedding_bytes: int) -> None:
        self._store = store
        self._grants = grants
        self._embedding_bytes = embedding_bytes

    async def grant(self, info: ImageInfo, *, call: Call) -> Sequence[ImageId]:
        """Let the caller use an image whose bytes it has shown; returns what goes for it. Raises StoreUnavailable."""
        return await self._grants.grant(call.tenant, info.image_id, weight=info.size_bytes + self._embedding_bytes)

    async def check(self, image_id: ImageId, *, call: Call) -> None:
        """Make sure that the caller may use an image.

        Raises:
            ImageNotFound: It may not.
            StoreUnavailable: Nobody can tell.
        """
        if not await self.has(image_id, call=call):
            raise image_not_found(image_id)

    async def info(self, image_id: ImageId, *, call: Call) -> ImageInfo:
        """Return what is known of an image of the caller's.

        Raises:
            ImageNotFound: It is none, or not kept.
            StoreUnavailable: Nobody can tell.
        """
        await self.check(image_id, call=call)
        info = await self._store.info(image_id)
        if info is None:
            raise image_not_found(image_id)
        return info

    async def infos(self, image_ids: Sequence[ImageId], *, call: Call) -> list[ImageInfo | None]:
        """Return what is known of each image, None where it is not kept for the caller. Raises StoreUnavailable."""
        granted = await self._grants.granted(call.tenant, image_ids)
        asked = [image_id for image_id in image_ids if image_id in granted]
        known = dict(zip(asked, await self._store.infos(asked), strict=True)) if asked else {}
        return [known.get(image_id) for image_id in image_ids]

    async def has(self, image_id: ImageId, *, call: Call) -> bool:
        """Tell whether the caller may use an image. Raises StoreUnavailable."""
        return image_id in await self._grants.granted(call.tenant, (image_id,))

    async def give_up(self, image_id: ImageId, *, call: Call) -> bool:
        """Take an image from the caller; returns whether another one may still use it. Raises StoreUnavailable."""
        return await self._grants.revoke(call.tenant, image_id)


def image_not_found(image_id: ImageId) -> ImageNotFound:
    """Say that an image is not kept, and what to do about it."""
    return ImageNotFound(f"{image_id} is not kept here: upload it (again).", image_id=image_id)
