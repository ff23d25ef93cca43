"""What a coroutine tells while it works, as an iterator."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from maskgate.domain.errors import Overloaded

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Room:
    """How far a reader may lag behind: so many events, and, when there are as many, so many seconds."""

    events: int
    seconds: float


@dataclass(frozen=True, slots=True)
class _End:
    error: Exception | None = None


async def streamed(
    produce: Callable[[Callable[[_T], Awaitable[None]]], Awaitable[None]], *, room: Room
) -> AsyncGenerator[_T, None]:
    """Run `produce` with a function that tells, and yield what it is told; whatever it raises comes last.

    It waits while there is no room, and fails when it has waited too long: what it holds is let go even if nobody ever
    reads on. To be closed by who iterates: it is then cancelled, and has ended.
    """
    told: asyncio.Queue[_T | _End] = asyncio.Queue()
    places = asyncio.Semaphore(room.events)

    async def tell(event: _T) -> None:
        try:
            async with asyncio.timeout(room.seconds):
                await places.acquire()
        except TimeoutError as error:
            raise _unread(room) from error
        told.put_nowait(event)

    async def run() -> None:
        try:
            await produce(tell)
            told.put_nowait(_End())
        except Exception as error:  # noqa: BLE001 - raised again by who iterates
            told.put_nowait(_End(error))

    running = asyncio.create_task(run())
    try:
        while not isinstance(event := await told.get(), _End):
            places.release()
            yield event
        if event.error is not None:
            raise event.error
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def _unread(room: Room) -> Overloaded:
    """Say no as to one more caller: somebody else may have the place by now, and whoever reads on may come again."""
    text = f"Nothing was read for {room.seconds:.3g} s, so the place was given away; the last cursor goes on."
    return Overloaded(text, idle_seconds=f"{room.seconds:.3g}")
