"""Threads for computations that would block the event loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

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
