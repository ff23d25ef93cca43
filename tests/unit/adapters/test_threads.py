from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from maskgate.adapters.threads import HeldOffload, ThreadOffload

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


async def test_who_is_cancelled_is_held_until_the_thread_has_ended(offload: ThreadOffload) -> None:
    """A permit around it is not given to somebody else while its thread still runs."""
    began, end = threading.Event(), threading.Event()

    def compute() -> None:
        began.set()
        end.wait(5)

    waiting = asyncio.ensure_future(HeldOffload(offload)(compute))
    await offload(lambda: began.wait(5))
    for _ in range(2):  # a second time, too
        waiting.cancel()
        done, _ = await asyncio.wait([waiting], timeout=0.01)
        assert not done
    end.set()

    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_what_is_not_cancelled_is_not_held(offload: ThreadOffload) -> None:
    """Results and errors come back as they do without."""
    assert 3 == await HeldOffload(offload)(lambda: 3)
    with pytest.raises(ZeroDivisionError):
        await HeldOffload(offload)(lambda: 1 // 0)
