"""Metrics of several workers as those of one gateway, over real unix sockets."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.parser import text_string_to_metric_families

from maskgate.transport.exposition import Siblings, exposition_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

WORKERS = 3


class Worker:
    """A worker's metrics."""

    def __init__(self, folder: Path, number: int) -> None:
        self.registry = CollectorRegistry()
        self.calls = Counter("calls", 'Calls, "as they say".', ("code",), registry=self.registry)
        self.seconds = Histogram("seconds", "Time.", buckets=(1, 2), registry=self.registry)
        self.held = Gauge("held", "Now.", registry=self.registry)
        self.up = Gauge("maskgate_component_up", "Whether.", registry=self.registry)
        self.siblings = Siblings(folder, number=number, workers=WORKERS, registry=self.registry)

    async def sees(self, name: str) -> float | None:
        """A figure of the whole gateway, as this worker tells it."""
        return figure((await self.siblings.expose()).decode(), name)


def figure(text: str, name: str) -> float | None:
    samples = [each for family in text_string_to_metric_families(text) for each in family.samples]
    return next((each.value for each in samples if each.name == name), None)


@asynccontextmanager
async def crew(folder: Path) -> AsyncIterator[list[Worker]]:
    workers = [Worker(folder, number) for number in range(WORKERS)]
    async with AsyncExitStack() as stack:
        for worker in workers:
            await stack.enter_async_context(worker.siblings.answering())
        yield workers


async def test_any_worker_tells_of_all(tmp_path: Path) -> None:
    """Counters, histograms and gauges add up, whoever is asked."""
    async with crew(tmp_path) as workers:
        for number, worker in enumerate(workers, start=1):
            worker.calls.labels("OK").inc(number)
            worker.seconds.observe(number)
            worker.held.set(number)
            worker.up.set(1)
        names = ("calls_total", "seconds_count", "seconds_sum", "held")
        seen = [[await worker.sees(name) for name in names] for worker in workers]

    assert [[6, 3, 6, 6]] * WORKERS == seen


async def test_a_component_is_up_if_all_reach_it(tmp_path: Path) -> None:
    """One worker that does not is worth an alert."""
    async with crew(tmp_path) as workers:
        for worker in workers:
            worker.up.set(1)
        before = await workers[0].sees("maskgate_component_up")
        workers[2].up.set(0)

        assert (1, 0) == (before, await workers[1].sees("maskgate_component_up"))


async def test_what_was_told_of_a_dead_worker_stays(tmp_path: Path) -> None:
    """Its counts, by every sibling; what it held is gone with it. The next one of its number goes on from there."""
    async with crew(tmp_path) as workers:
        workers[1].calls.labels("OK").inc(5)
        workers[1].held.set(7)
        told = await workers[0].sees("calls_total")
        (tmp_path / "1.sock").unlink()
        dead = [await workers[0].sees("calls_total"), await workers[2].sees("calls_total")]
        held = await workers[0].sees("held")
        successor = Worker(tmp_path, 1)
        async with successor.siblings.answering():
            successor.calls.labels("OK").inc()
            replaced = [await workers[0].sees("calls_total"), await successor.sees("calls_total")]

    assert (5, [5, 5], 0, [6, 6]) == (told, dead, held, replaced)


async def test_alone_and_together_are_written_alike(tmp_path: Path) -> None:
    """Nothing is lost in between: names, help, types, labels and values."""
    worker = Worker(tmp_path, 0)
    worker.calls.labels('a "b" {c} \\ d').inc(1.5)
    worker.seconds.observe(0.25)
    alone = (await exposition_of(worker.registry)()).decode()

    together = (await worker.siblings.expose()).decode()

    assert list(text_string_to_metric_families(alone)) == list(text_string_to_metric_families(together))


@pytest.mark.parametrize("count", [1, 3])
async def test_scrapes_add_nothing(tmp_path: Path, count: int) -> None:
    """However often it is asked for, a count is counted once."""
    async with crew(tmp_path) as workers:
        workers[0].calls.labels("OK").inc(2)
        seen = [await workers[1].sees("calls_total") for _ in range(count)]

    assert [2] * count == seen
