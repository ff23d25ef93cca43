"""The event loop behind the blocking client."""

from __future__ import annotations

import asyncio
from concurrent.futures import CancelledError, ThreadPoolExecutor
from threading import Event

import pytest

from maskgate.client._portal import Portal


async def nothing() -> None:
    """Be over at once."""


def test_closing_hangs_nobody() -> None:
    """Who waits in another thread when the client is closed is told so, and who asks afterwards."""
    portal, has_begun = Portal(), Event()

    async def forever() -> None:
        has_begun.set()
        await asyncio.Event().wait()

    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(lambda: portal.run(forever()))
        has_begun.wait(5)
        portal.close(nothing())

        with pytest.raises(CancelledError):
            waiting.result(5)
    with pytest.raises(RuntimeError, match="closed"):
        portal.run(nothing())
