"""Forget an image, here and wherever else it is known."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from maskgate.domain.errors import CacheUnavailable, StoreUnavailable

if TYPE_CHECKING:
    from maskgate.domain.call import Call
    from maskgate.domain.image import ImageId
    from maskgate.ports import Deletions, EmbeddingCache, ImageCopies, ImageStore
    from maskgate.usecases.embed_image import EmbedImage
    from maskgate.usecases.owned_images import OwnedImages

_EVERY_SECONDS = 5.0


class DeleteImage:
    """The store first: from then on nobody is given the image's embeddings, and none is kept that is being made."""

    def __init__(self, *, images: OwnedImages, store: ImageStore, cache: EmbeddingCache, embed: EmbedImage) -> None:
        self._images = images
        self._store = store
        self._cache = cache
        self._embed = embed

    async def __call__(self, image_id: ImageId, *, call: Call) -> None:
        """Forget an image of the caller's, and its embeddings with the last one who had it.

        What is not there is deleted as well.

        Raises:
            StoreUnavailable: Only this gateway has forgotten it. To be repeated.
        """
        if not await self._images.give_up(image_id, call=call):
            return
        try:
            await self._store.delete(image_id)
            await self._cache.delete(image_id)
        except CacheUnavailable as error:
            raise StoreUnavailable(error.message) from error
        finally:
            self._embed.forget(image_id)


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
