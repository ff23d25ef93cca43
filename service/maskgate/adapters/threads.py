"""Threads for computations that would block the event loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from maskgate.ports import Offload

_T = TypeVar("_T")


class ThreadOffload:
    """A fixed number of threads. What waits for them is bounded by permits, or by the calls at once."""

    def __init__(self, *, threads: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="maskgate")

    async def __call__(self, compute: Callable[[], _T], /) -> _T:
        """See Offload."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, compute)

    def close(self) -> None:
        """Wait for what runs and end the threads."""
        self._executor.shutdown()


class HeldOffload:
    """Holds who is cancelled until the computation has ended: a permit around it counts what runs, not who waits."""

    def __init__(self, inner: Offload) -> None:
        self._inner = inner

    async def __call__(self, compute: Callable[[], _T], /) -> _T:
        """See Offload."""
        running = asyncio.ensure_future(self._inner(compute))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await _outlast(running)
            raise


async def _outlast(running: asyncio.Future[_T]) -> None:
    """Wait for the end, however often one is cancelled meanwhile: a client that goes, then a gateway that stops."""
    while not running.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([running])
