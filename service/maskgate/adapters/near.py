"""A near copy of the image store in the memory of this process, so that losing Redis loses no upload."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from maskgate.adapters.memory import BoundedLru
from maskgate.domain.errors import StoreUnavailable

if TYPE_CHECKING:
    from maskgate.domain.image import ImageId, ImageInfo
    from maskgate.ports import ImageStore

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Kept:
    info: ImageInfo
    content: bytes


class NearImageStore:
    """Writes through to a shared store and keeps the latest images itself, for when the shared one does not.

    While the shared store is away, images uploaded to this gateway can still be segmented by it; what it does not hold
    itself is then unknown, not missing: StoreUnavailable. What the shared store has lost meanwhile is put back.
    """

    def __init__(self, shared: ImageStore, *, max_bytes: int) -> None:
        self._shared = shared
        self._near: BoundedLru[_Kept] = BoundedLru(max_bytes=max_bytes, size_of=lambda kept: len(kept.content))

    async def put(self, info: ImageInfo, content: bytes) -> None:
        """See ImageStore."""
        self._near.put(info.image_id, _Kept(info, content))
        try:
            await self._shared.put(info, content)
        except StoreUnavailable as error:
            if self._near.get(info.image_id) is None:
                raise
            _log.warning("image.kept_here_only", error=str(error))

    async def info(self, image_id: ImageId) -> ImageInfo | None:
        """See ImageStore."""
        kept = self._near.get(image_id)
        if kept is None:
            return await self._shared.info(image_id)
        try:
            if await self._shared.info(image_id) is None:
                await self._shared.put(kept.info, kept.content)
        except StoreUnavailable as error:
            _log.warning("image.known_here_only", error=str(error))
        return kept.info

    async def content(self, image_id: ImageId) -> bytes | None:
        """See ImageStore."""
        kept = self._near.get(image_id)
        if kept is None:
            return await self._shared.content(image_id)
        await self.info(image_id)  # makes it live on in the shared store, without moving its bytes
        return kept.content
