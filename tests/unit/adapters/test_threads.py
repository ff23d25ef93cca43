from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from maskgate.adapters.threads import ThreadOffload

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def offload() -> Iterator[ThreadOffload]:
    opened = ThreadOffload(threads=2)
    yield opened
    opened.close()


async def test_computations_run_beside_the_event_loop(offload: ThreadOffload) -> None:
    """A computation runs on a thread of its own, and its result comes back."""
    assert await offload(threading.current_thread) is not threading.current_thread()


async def test_errors_come_back(offload: ThreadOffload) -> None:
    """What a computation raises is raised."""
    with pytest.raises(ZeroDivisionError):
        await offload(lambda: 1 // 0)


async def test_so_many_at_once(offload: ThreadOffload) -> None:
    """As many computations run at once as there are threads."""
    meeting = threading.Barrier(2)

    await asyncio.gather(*(offload(lambda: meeting.wait(5)) for _ in range(2)))

    assert not meeting.broken
