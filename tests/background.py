"""An event loop in a thread of its own, for servers whose clients are no coroutines."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator
    from typing import Any

_T = TypeVar("_T")


class Background:
    """Runs coroutines in its thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Run one, and wait for it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()


@contextmanager
def background() -> Iterator[Background]:
    """A loop that runs until it is left."""
    loop = asyncio.new_event_loop()
    with ThreadPoolExecutor(1, thread_name_prefix="background") as thread:
        running = thread.submit(loop.run_forever)
        try:
            yield Background(loop)
        finally:
            loop.call_soon_threadsafe(loop.stop)
            running.result()
            loop.close()
