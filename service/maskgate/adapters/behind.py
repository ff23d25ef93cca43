"""Work that is done behind the answer, as far as there is room for it."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    import numpy.typing as npt

    from maskgate.domain.mask_handle import MaskAddress
    from maskgate.ports import MaskShelf


_TOGETHER = 32
"""Masks that are put at once: packing them takes one thread 15 ms."""


class WriteBehindShelf:
    """Puts masks on another shelf, some at a time, while nobody waits; what there is no room for is not put.

    Args:
        inner: The shelf.
        places: Masks that may wait.
        pause: Seconds before some are put: by then the answer of the first has left, without waiting for the work, and
            under load there are several.
        dropped: Called for each one that may not.
    """

    def __init__(self, inner: MaskShelf, *, places: int, pause: float, dropped: Callable[[], None]) -> None:
        self._inner = inner
        self._places = places
        self._pause = pause
        self._dropped = dropped
        self._waiting: deque[tuple[MaskAddress, npt.NDArray[np.float16]]] = deque()
        self._writer: asyncio.Task[None] | None = None

    async def put(self, masks: Mapping[MaskAddress, npt.NDArray[np.float16]]) -> None:
        """See MaskShelf; never waits, never fails. They can be got a moment later."""
        for mask in masks.items():
            self._wait(mask)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write(), name="masks behind")

    async def get(self, address: MaskAddress) -> npt.NDArray[np.float16] | None:
        """See MaskShelf."""
        return await self._inner.get(address)

    async def drain(self) -> None:
        """Wait until all is put."""
        if self._writer is not None:
            await self._writer

    def _wait(self, mask: tuple[MaskAddress, npt.NDArray[np.float16]]) -> None:
        if len(self._waiting) < self._places:
            self._waiting.append(mask)
        else:
            self._dropped()

    async def _write(self) -> None:
        while self._waiting:
            await asyncio.sleep(self._pause)
            together = [self._waiting.popleft() for _ in range(min(_TOGETHER, len(self._waiting)))]
            await self._inner.put(dict(together))
