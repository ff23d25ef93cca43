"""An image that is clicked on stays in the store, although its clicks need its embedding alone."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

from maskgate.domain.errors import StoreUnavailable

if TYPE_CHECKING:
    from maskgate.domain.image import ImageId
    from maskgate.ports import ImageStore

_EVERY_SECONDS = 600.0  # far below any sensible time to live, far above the time between two clicks
_MOST_IMAGES = 4096


class KeepAlive:
    """Asks the store for an image now and then, since asking makes it live on; forgets whom it asked for long ago."""

    def __init__(self, store: ImageStore, *, every: float = _EVERY_SECONDS) -> None:
        self._store = store
        self._every = every
        self._asked: OrderedDict[ImageId, float] = OrderedDict()

    async def __call__(self, image_id: ImageId) -> None:
        """Ask for an image if that is due; never fails."""
        if self._asked.get(image_id, -self._every) + self._every > monotonic():
            return
        self._asked[image_id] = monotonic()
        self._asked.move_to_end(image_id)
        if len(self._asked) > _MOST_IMAGES:
            self._asked.popitem(last=False)
        with suppress(StoreUnavailable):
            await self._store.info(image_id)
