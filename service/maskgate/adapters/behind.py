"""Work that is done behind the answer, as far as there is room for it."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt

    from maskgate.domain.mask_handle import MaskAddress
    from maskgate.ports import MaskShelf


class WriteBehindShelf:
    """Puts masks on another shelf one after the other, while nobody waits; what there is no room for is not put.

    Args:
        inner: The shelf.
        places: Masks that may wait.
        pause: Seconds before the first of them is put: by then its answer has left, and has not waited for the work.
        dropped: Called for each one that may not.
    """

    def __init__(self, inner: MaskShelf, *, places: int, pause: float, dropped: Callable[[], None]) -> None:
        self._inner = inner
        self._places = places
        self._pause = pause
        self._dropped = dropped
        self._waiting: deque[tuple[MaskAddress, npt.NDArray[np.float16]]] = deque()
        self._writer: asyncio.Task[None] | None = None

    async def put(self, address: MaskAddress, logits: npt.NDArray[np.float16]) -> None:
        """See MaskShelf; never waits, never fails. It can be got a moment later."""
        if len(self._waiting) >= self._places:
            self._dropped()
            return
        self._waiting.append((address, logits))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write(), name="masks behind")

    async def get(self, address: MaskAddress) -> npt.NDArray[np.float16] | None:
        """See MaskShelf."""
        return await self._inner.get(address)

    async def drain(self) -> None:
        """Wait until all is put."""
        if self._writer is not None:
            await self._writer

    async def _write(self) -> None:
        await asyncio.sleep(self._pause)
        while self._waiting:
            await self._inner.put(*self._waiting.popleft())
