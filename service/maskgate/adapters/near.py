"""Near copies in the memory of this process of what is shared: losing Redis loses no upload, and no mask."""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import monotonic
from typing import TYPE_CHECKING, Protocol

import structlog

from maskgate.adapters.memory import BoundedLru
from maskgate.domain.errors import StoreUnavailable
from maskgate.ports import ImageStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    from maskgate.domain.image import ImageId, ImageInfo
    from maskgate.domain.mask_handle import MaskAddress
    from maskgate.domain.tenant import Tenant
    from maskgate.ports import MaskShelf

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Kept:
    """An upload.

    Attributes:
        taken: When it came, in seconds of this gateway's clock.
        owed: Whether the shared store may not have got it: it did not say so, which may be the answer that was late.
    """

    info: ImageInfo
    content: bytes
    taken: float
    owed: bool = True


class SharedImageStore(ImageStore, Protocol):
    """A store that knows what it has lost from what was deleted."""

    async def put_back(self, info: ImageInfo, content: bytes, *, age: float | None = None) -> bool:
        """Keep an image that is not there; False where it was deleted since it came. Raises StoreUnavailable.

        It came `age` seconds ago. None: the store has had it and lost it, so that any deletion it knows was later.
        """
        ...


class NearImageStore:
    """Writes through to a shared store and keeps the latest images itself, for when the shared one does not.

    While the shared store is away, images uploaded to this gateway can still be segmented by it; what it does not hold
    itself is then unknown, not missing: StoreUnavailable. What the shared store has lost meanwhile is put back; what
    was deleted there is forgotten here.

    Args:
        shared: The store of all gateways.
        max_bytes: How much is kept here.
        clock: Seconds that only grow.
    """

    def __init__(self, shared: SharedImageStore, *, max_bytes: int, clock: Callable[[], float] = monotonic) -> None:
        self._shared = shared
        self._clock = clock
        self._near: BoundedLru[ImageId, _Kept] = BoundedLru(max_bytes=max_bytes, size_of=lambda kept: len(kept.content))

    async def put(self, info: ImageInfo, content: bytes) -> None:
        """See ImageStore."""
        kept = _Kept(info, content, taken=self._clock())
        self._near.put(info.image_id, kept)
        try:
            await self._shared.put(info, content)
        except StoreUnavailable as error:
            if self._near.get(info.image_id) is None:
                raise
            _log.warning("image.kept_here_only", error=str(error))
        else:
            self._settle(kept)

    async def info(self, image_id: ImageId) -> ImageInfo | None:
        """See ImageStore."""
        kept = self._near.get(image_id)
        if kept is None:
            return await self._shared.info(image_id)
        try:
            return await self._shared_info(kept) or await self._put_back(kept)
        except StoreUnavailable as error:
            _log.warning("image.known_here_only", error=str(error))
            return kept.info

    async def infos(self, image_ids: Sequence[ImageId]) -> list[ImageInfo | None]:
        """See ImageStore."""
        try:
            found = await self._shared.infos(image_ids)
        except StoreUnavailable:
            return [await self.info(image_id) for image_id in image_ids]
        return [known or await self._lost(image_id) for image_id, known in zip(image_ids, found, strict=True)]

    async def content(self, image_id: ImageId) -> bytes | None:
        """See ImageStore."""
        kept = self._near.get(image_id)
        if kept is None:
            return await self._shared.content(image_id)
        # Without moving its bytes: asking makes it live on in the shared store, and tells whether it was deleted.
        return kept.content if await self.info(image_id) else None

    async def delete(self, image_id: ImageId, *, but_for: Tenant | None = None) -> bool:
        """See ImageStore. The near copy is gone also where the shared store cannot be told."""
        kept = False
        try:
            kept = not await self._shared.delete(image_id, but_for=but_for)
        finally:
            if not kept:
                self._near.forget(image_id)
        return not kept

    def forget(self, image_id: ImageId) -> None:
        """See ImageCopies. What may be here alone stays: the shared store tells which came first, when it is asked."""
        kept = self._near.get(image_id)
        if kept and not kept.owed:
            self._near.forget(image_id)

    async def _lost(self, image_id: ImageId) -> ImageInfo | None:
        return None if self._near.get(image_id) is None else await self.info(image_id)

    async def _shared_info(self, kept: _Kept) -> ImageInfo | None:
        info = await self._shared.info(kept.info.image_id)
        if info and kept.owed:
            self._settle(kept)
        return info

    async def _put_back(self, kept: _Kept) -> ImageInfo | None:
        age = self._clock() - kept.taken if kept.owed else None
        if await self._shared.put_back(kept.info, kept.content, age=age):
            self._settle(kept)
            return kept.info
        if self._is_near(kept):
            self._near.forget(kept.info.image_id)
        return None

    def _settle(self, kept: _Kept) -> None:
        if self._is_near(kept):
            self._near.put(kept.info.image_id, replace(kept, owed=False))

    def _is_near(self, kept: _Kept) -> bool:
        """Whether it is still what is kept: it may have been deleted, and uploaded again, while the store was asked."""
        return self._near.get(kept.info.image_id) is kept


class NearMaskShelf:
    """Keeps masks near as they are, and on a shared shelf for when the next click reaches another gateway."""

    def __init__(self, near: MaskShelf, shared: MaskShelf) -> None:
        self._near = near
        self._shared = shared

    async def put(self, masks: Mapping[MaskAddress, npt.NDArray[np.float16]]) -> None:
        """See MaskShelf."""
        await self._near.put(masks)
        await self._shared.put(masks)

    async def get(self, address: MaskAddress) -> npt.NDArray[np.float16] | None:
        """See MaskShelf. What is only shared is near from then on."""
        logits = await self._near.get(address)
        if logits is None:
            logits = await self._shared.get(address)
            if logits is not None:
                await self._near.put({address: logits})
        return logits
