"""The crew over toy workers, which are real processes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from maskgate.workers import Brief, Crew, Orders, Pauses, WorkerFailedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

TOY = (sys.executable, "-I", "-S", str(Path(__file__).with_name("toy.py")))
WORKERS = 3


@dataclass
class Yard:
    """Where toys work."""

    folder: Path
    ways: dict[str, list[str]] = field(default_factory=dict)
    grace: float = 5.0
    deaths: list[tuple[int, str, float]] = field(default_factory=list)
    listening: asyncio.Event = field(default_factory=asyncio.Event)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        briefs = [Brief(number, WORKERS, str(self.folder), json.dumps(self.ways)) for number in range(WORKERS)]
        orders = Orders(
            command=TOY,
            grace=self.grace,
            on_death=lambda *death: self.deaths.append(death),
            pauses=Pauses(first_seconds=0.01, most_seconds=0.02),
        )
        await Crew(briefs, orders).run(on_listening=self.listening.set, stopping=self.stopping)

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Everybody listens; at the end they are asked to stop."""
        running = asyncio.create_task(self.run())
        try:
            async with asyncio.timeout(10):
                await self.listening.wait()
            yield
        finally:
            self.stopping.set()
            await running

    def starts(self, number: int) -> list[int]:
        """The processes that have had a number, the latest last."""
        log = self.folder / str(number)
        return [int(pid) for pid in log.read_text().splitlines()] if log.exists() else []

    def alive(self) -> list[int]:
        return [pid for number in range(WORKERS) for pid in self.starts(number) if Path(f"/proc/{pid}").exists()]


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - a process sets no event
            await asyncio.sleep(0.005)


async def test_there_are_as_many_as_asked_for(yard: Yard) -> None:
    """Each brief has a process of its own, and none is left in the end."""
    async with yard.at_work():
        assert WORKERS == len(set(yard.alive()))

    assert [] == yard.alive()


async def test_a_dead_worker_is_replaced(yard: Yard) -> None:
    """Another one gets its number, and the others are left alone."""
    async with yard.at_work():
        before = yard.alive()
        os.kill(yard.starts(1)[0], signal.SIGKILL)
        await until(lambda: len(yard.starts(1)) == 2)

        assert {before[0], before[2], yard.starts(1)[1]} == set(yard.alive())

    assert [(1, "SIGKILL", 0.01)] == yard.deaths
    assert [] == yard.alive()


async def test_a_worker_that_fails_to_come_back_is_tried_again(yard: Yard) -> None:
    """Why it failed is told each time, and the pauses grow to their bound."""
    yard.ways = {"0": ["works", "cannot", "crashes", "works"]}
    async with yard.at_work():
        os.kill(yard.starts(0)[0], signal.SIGKILL)
        await until(lambda: len(yard.starts(0)) == 4)

        assert WORKERS == len(yard.alive())

    assert [
        (0, "SIGKILL", 0.01),
        (0, "the port is taken", 0.02),
        (0, "a worker has died while it started (exit status 3)", 0.02),
    ] == yard.deaths


@pytest.mark.parametrize(
    ("way", "why"),
    [("cannot", "the port is taken"), ("crashes", "a worker has died while it started .exit status 3.")],
)
async def test_a_worker_that_cannot_start_is_told(yard: Yard, way: str, why: str) -> None:
    """In the beginning that ends all of them."""
    yard.ways = {"1": [way]}

    with pytest.raises(WorkerFailedError, match=f"^{why}$"):
        await yard.run()

    assert [] == yard.alive()


async def test_a_worker_that_does_not_end_is_killed(yard: Yard) -> None:
    """After its grace, for which the others wait."""
    yard.ways, yard.grace = {"2": ["stubborn"]}, 0.1

    async with yard.at_work():
        pass

    assert [] == yard.alive()


async def test_stopping_does_not_wait_for_a_start(yard: Yard) -> None:
    """Workers that do not listen yet are ended, too."""
    yard.ways = {"0": ["silent"]}
    running = asyncio.create_task(yard.run())
    await until(lambda: len(yard.alive()) == WORKERS)

    yard.stopping.set()
    await running

    assert not yard.listening.is_set()
    assert [] == yard.alive()


def test_pauses_grow_until_a_worker_has_lived_long() -> None:
    """Twice as long each time, to a bound; a minute's life is forgiven."""
    pauses = Pauses(first_seconds=0.5, most_seconds=3, forgiven_after_seconds=60)
    seen = [pauses.after(0, lived=5)]
    for lived in (5, 5, 5, 61):
        seen.append(pauses.after(seen[-1], lived=lived))

    assert [0.5, 1, 2, 3, 0.5] == seen
