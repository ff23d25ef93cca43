"""A worker's metrics, for its siblings, and theirs for whoever asks this one.

Each worker answers on a unix socket in the folder that they share. What it answers is kept in a file first. So whatever
anybody was told of a worker outlives it, and no total ever goes down: siblings read the file of one that is not there,
and the worker that takes its place goes on from it.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import structlog
from prometheus_client import generate_latest

from maskgate.transport.exposition.merging import merged

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from prometheus_client import CollectorRegistry

ASK_SECONDS: Final = 1.0

_log = structlog.get_logger(__name__)


class Siblings:
    """All workers of a gateway, of which this process is one."""

    def __init__(self, directory: Path, *, number: int, workers: int, registry: CollectorRegistry) -> None:
        """Go on from what the last worker of that number has told of itself."""
        self._directory = directory
        self._number = number
        self._others = [other for other in range(workers) if other != number]
        self._registry = registry
        self._before = self._last_told(number)

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """Answer the others meanwhile."""
        socket = self._socket(self._number)
        socket.unlink(missing_ok=True)  # of one that was killed
        server = await asyncio.start_unix_server(self._answer, socket)
        try:
            yield
        finally:
            server.close()
            await server.wait_closed()
            socket.unlink(missing_ok=True)

    async def expose(self) -> bytes:
        """Return the metrics of all workers together, in Prometheus' text format 0.0.4."""
        answers = await asyncio.gather(*map(self._ask, self._others))
        living = [answer for answer in answers if answer]
        ended = [self._last_told(other) for other, answer in zip(self._others, answers, strict=True) if not answer]
        return merged([self._told(), *living], ended).encode()

    def _told(self) -> str:
        """Return the metrics of this worker and of those before it, once they are where they outlive it."""
        text = merged([generate_latest(self._registry).decode()], [self._before])
        new = self._file(self._number).with_suffix(".new")
        new.write_text(text, encoding="utf-8")
        new.rename(self._file(self._number))
        return text

    async def _answer(self, incoming: asyncio.StreamReader, outgoing: asyncio.StreamWriter) -> None:
        del incoming  # that it connects is the question
        outgoing.write(self._told().encode())
        outgoing.write_eof()
        outgoing.close()
        await outgoing.wait_closed()

    async def _ask(self, other: int) -> str:
        """Return what a sibling says, or nothing."""
        try:
            async with asyncio.timeout(ASK_SECONDS):
                incoming, outgoing = await asyncio.open_unix_connection(self._socket(other))
                try:
                    return (await incoming.read()).decode()
                finally:
                    outgoing.close()
        except (OSError, TimeoutError) as error:
            _log.warning("metrics.worker_silent", worker=other, error=str(error))
            return ""

    def _last_told(self, number: int) -> str:
        file = self._file(number)
        return file.read_text(encoding="utf-8") if file.exists() else ""

    def _file(self, number: int) -> Path:
        return self._directory / f"{number}.prom"

    def _socket(self, number: int) -> Path:
        return self._directory / f"{number}.sock"
