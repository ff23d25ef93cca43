"""What a coroutine tells while it works, as an iterator."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _End:
    error: Exception | None = None


async def streamed(
    produce: Callable[[Callable[[_T], Awaitable[None]]], Awaitable[None]], *, room: int
) -> AsyncGenerator[_T, None]:
    """Run `produce` with a function that tells, and yield what it is told; whatever it raises comes last.

    It waits while so many wait to be yielded. To be closed by who iterates: it is then cancelled, and has ended.
    """
    told: asyncio.Queue[_T | _End] = asyncio.Queue(room)

    async def run() -> None:
        try:
            await produce(told.put)
            await told.put(_End())
        except Exception as error:  # noqa: BLE001 - raised again by who iterates
            await told.put(_End(error))

    running = asyncio.create_task(run())
    try:
        while not isinstance(event := await told.get(), _End):
            yield event
        if event.error is not None:
            raise event.error
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
