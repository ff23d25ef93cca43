from __future__ import annotations

import asyncio
import socket

from maskgate.workers import Brief, Parent

BRIEF = Brief(number=2, workers=4, directory="/run/somewhere", settings='{"host": "127.0.0.1"}')


async def test_a_worker_hears_its_brief() -> None:
    """What the parent has written is what the worker reads, whatever it is."""
    parent, worker = socket.socketpair()
    with parent, worker:
        parent.sendall(BRIEF.to_line())

        assert BRIEF == Parent(worker).brief()


async def test_a_worker_notices_that_its_parent_is_gone() -> None:
    """It waits as long as the parent lives, although that says nothing more."""
    parent, worker = socket.socketpair()
    with worker:
        gone = asyncio.create_task(Parent(worker).gone())
        await asyncio.sleep(0)
        before = gone.done()
        parent.close()
        async with asyncio.timeout(5):
            await gone

    assert not before
