"""Work in order, with the next piece under way already."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable

_T = TypeVar("_T")


async def ahead(starts: Iterable[Callable[[], Coroutine[None, None, _T]]], *, depth: int) -> AsyncGenerator[_T, None]:
    """Yield what each piece comes to, in their order; at most `depth` of them run at once, or wait to be yielded.

    To be closed by who iterates: what is under way is then cancelled, and has ended.
    """
    under_way: deque[asyncio.Task[_T]] = deque()
    try:
        for start in starts:
            under_way.append(asyncio.create_task(start()))
            if len(under_way) == depth:
                yield await under_way[0]
                under_way.popleft()
        while under_way:
            yield await under_way[0]
            under_way.popleft()
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
