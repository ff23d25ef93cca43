"""An event loop in a thread of its own, for callers that have none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from threading import RLock, Thread, current_thread
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
    from concurrent.futures import Future

_T = TypeVar("_T")


class Portal:
    """Runs coroutines in its thread, and waits for them. The thread starts at once and ends with `close`."""

    def __init__(self) -> None:
        self._is_closed = False
        self._handing_over = RLock()  # garbage is collected while it is held, too, and may close a client
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="maskgate-client", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Wait for what a coroutine returns or raises. Where the wait is interrupted, it is cancelled.

        Raises:
            RuntimeError: The portal is closed, or this is its thread, which would wait for itself.
            concurrent.futures.CancelledError: It was closed meanwhile.
        """
        if self._is_here:
            coroutine.close()
            raise RuntimeError(
                "The client is asked from its own thread, in which on_progress is called: ask elsewhere."
            )
        running = self._submit(coroutine)
        try:
            return running.result()
        finally:
            running.cancel()

    def _submit(self, coroutine: Coroutine[Any, Any, _T]) -> Future[_T]:
        """Hand a coroutine over before the last one, or not at all: after it nobody would run or cancel it."""
        with self._handing_over:
            if not self._is_closed:
                return asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        coroutine.close()
        raise RuntimeError("The client is closed.")

    def call(self, function: Callable[[], _T]) -> _T:
        """Call a function in the thread, and wait for what it returns or raises."""
        return self.run(_called(function))

    def iterate(self, items: AsyncIterator[_T]) -> Iterator[_T]:
        """Yield what an asynchronous generator yields, each when it is asked for; end it when nobody asks any more."""
        try:
            while True:
                try:
                    yield self.run(_next(items))
                except StopAsyncIteration:
                    return
        finally:
            self._end_of(items)

    def _end_of(self, items: AsyncIterator[Any]) -> None:
        if self._is_closed:
            return  # it has been ended
        if self._is_here:  # which collects garbage, too
            asyncio.run_coroutine_threadsafe(_ended(items), self._loop)
        else:
            self.run(_ended(items))

    @property
    def _is_here(self) -> bool:
        """Whether this is the portal's own thread."""
        return current_thread() is self._thread

    def close(self, last: Coroutine[Any, Any, None]) -> None:
        """Run one last coroutine, cancel what others still wait for, then end the thread."""
        with self._handing_over:
            self._is_closed = True
            asyncio.run_coroutine_threadsafe(self._end(last), self._loop)
        if not self._is_here:  # which collects garbage, too
            self._thread.join()
            self._loop.close()

    async def _end(self, last: Coroutine[Any, Any, None]) -> None:
        try:
            await last
        finally:
            await _end_others()
            self._loop.stop()


async def _end_others() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.sleep(0)  # what was done a moment ago is told to who waits for it in the loop's next turn


async def _next(items: AsyncIterator[_T]) -> _T:
    return await anext(items)


async def _called(function: Callable[[], _T]) -> _T:
    return function()


async def _ended(items: AsyncIterator[Any]) -> None:
    if isinstance(items, AsyncGenerator):
        await items.aclose()
