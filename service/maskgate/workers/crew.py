"""All workers: started together, kept at their number, ended together."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from maskgate.workers.worker import Worker, WorkerFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from maskgate.workers.line import Brief

START_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pauses:
    """How long a dead worker's place stays empty: each time twice as long, where workers do not live long."""

    first_seconds: float = 0.5
    most_seconds: float = 30.0
    forgiven_after_seconds: float = 60.0

    def after(self, before: float, *, lived: float) -> float:
        """Return the pause after a worker that lived so long and was started after the pause `before`, 0 for none."""
        if not before or lived > self.forgiven_after_seconds:
            return self.first_seconds
        return min(2 * before, self.most_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """How workers are run.

    Attributes:
        command: The program of a worker.
        grace: Seconds from SIGTERM to SIGKILL.
        on_death: Told of a worker that has died: its number, how it ended, and the seconds until another is started.
        pauses: How long those are.
    """

    command: Sequence[str]
    grace: float
    on_death: Callable[[int, str, float], None]
    pauses: Pauses


class Crew:
    """A worker for each brief.

    One that dies is replaced, however often: the others serve meanwhile. In the beginning there are no others, and what
    keeps a worker from starting then is told.
    """

    def __init__(self, briefs: Sequence[Brief], orders: Orders) -> None:
        self._briefs = briefs
        self._orders = orders
        self._workers: dict[int, Worker] = {}

    async def run(self, *, on_listening: Callable[[], None], stopping: asyncio.Event) -> None:
        """Start all workers, keep them until asked to stop, then end them; they get their grace at once and together.

        Raises:
            WorkerFailedError: One could not start; none is left.
        """
        running = asyncio.create_task(self._run(on_listening))
        asked = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait((running, asked), return_when=asyncio.FIRST_COMPLETED)
        finally:
            asked.cancel()
            running.cancel()
            await asyncio.wait((running,))
            await asyncio.gather(*(worker.stop(grace=self._orders.grace) for worker in self._workers.values()))
        if not running.cancelled():
            running.result()

    async def _run(self, on_listening: Callable[[], None]) -> None:
        await self._for_each(self._begin)
        on_listening()
        await self._for_each(self._keep)

    async def _for_each(self, do: Callable[[Brief], Coroutine[None, None, object]]) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for brief in self._briefs:
                    group.create_task(do(brief))
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from failures

    async def _begin(self, brief: Brief) -> Worker:
        worker = self._workers[brief.number] = await Worker.start(self._orders.command, brief)
        await worker.listening(within=START_SECONDS)
        return worker

    async def _keep(self, brief: Brief) -> None:
        pause, began = 0.0, time.monotonic()
        how = await self._workers[brief.number].ended()
        while True:
            pause = self._orders.pauses.after(pause, lived=time.monotonic() - began)
            self._orders.on_death(brief.number, how, pause)
            await asyncio.sleep(pause)
            began = time.monotonic()
            how = await self._live(brief)

    async def _live(self, brief: Brief) -> str:
        """Start a worker, wait for its end, and tell how it ended."""
        try:
            return await (await self._begin(brief)).ended()
        except WorkerFailedError as error:
            await self._workers[brief.number].stop(grace=0)
            return str(error)
        except OSError as error:  # the machine has no process to give
            return str(error)
