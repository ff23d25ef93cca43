"""Forget an image that nobody may use any more, here and wherever else it is known."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from maskgate.domain.errors import CacheUnavailable, StoreUnavailable

if TYPE_CHECKING:
    from maskgate.domain.call import Call
    from maskgate.domain.image import ImageId
    from maskgate.domain.tenant import Tenant
    from maskgate.ports import Deletions, EmbeddingCache, ImageCopies, ImageStore
    from maskgate.usecases.embed_image import EmbedImage
    from maskgate.usecases.owned_images import OwnedImages

_EVERY_SECONDS = 5.0


class ForgetImage:
    """The store first: from then on nobody is given the image's embeddings, and none is kept that is being made."""

    def __init__(self, *, store: ImageStore, cache: EmbeddingCache, embed: EmbedImage) -> None:
        self._store = store
        self._cache = cache
        self._embed = embed

    async def __call__(self, image_id: ImageId, *, but_for: Tenant | None = None) -> bool:
        """Forget an image and its embeddings unless a tenant, but for that one, may use it; returns whether.

        Raises:
            StoreUnavailable: Only this gateway has forgotten it. To be repeated.
        """
        if not await self._deleted(image_id, but_for):
            return False
        try:
            await self._cache.delete(image_id)
        except CacheUnavailable as error:
            raise StoreUnavailable(error.message) from error
        return True

    async def _deleted(self, image_id: ImageId, but_for: Tenant | None) -> bool:
        kept = False
        try:
            kept = not await self._store.delete(image_id, but_for=but_for)
        finally:
            if not kept:  # or nobody can tell
                self._embed.forget(image_id)
        return not kept


class DeleteImage:
    """The caller's grant goes last: who has it can repeat what has failed."""

    def __init__(self, *, images: OwnedImages, forget: ForgetImage) -> None:
        self._images = images
        self._forget = forget

    async def __call__(self, image_id: ImageId, *, call: Call) -> None:
        """Forget an image of the caller's, and its embeddings with the last one who had it.

        What is not there is deleted as well.

        Raises:
            StoreUnavailable: Only this gateway has forgotten it. To be repeated.
        """
        if not await self._images.has(image_id, call=call):
            return
        forgotten = await self._forget(image_id, but_for=call.tenant)
        others = await self._images.give_up(image_id, call=call)
        if not (forgotten or others):  # those who had it have given it up at the same time
            await self._forget(image_id)


class HeedDeletions:
    """Forgets here what was deleted through other gateways.

    Args:
        deletions: Tells which images.
        copies, embed: What forgets them.
        every: Seconds between questions.
    """

    def __init__(
        self, *, deletions: Deletions, copies: ImageCopies, embed: EmbedImage, every: float = _EVERY_SECONDS
    ) -> None:
        self._deletions = deletions
        self._copies = copies
        self._embed = embed
        self._every = every

    async def __call__(self) -> None:
        """Forget what is not forgotten yet; while nobody can tell, nothing."""
        with suppress(StoreUnavailable):
            while image_ids := await self._deletions.heard():
                for image_id in image_ids:
                    self._copies.forget(image_id)
                    self._embed.forget(image_id)

    async def for_ever(self) -> None:
        """Ask again and again, until this is cancelled."""
        while True:
            await self()
            await asyncio.sleep(self._every)
