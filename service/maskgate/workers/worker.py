"""A worker's process, as its parent sees it."""

from __future__ import annotations

import asyncio
import signal
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from maskgate.workers.line import LISTENING

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Sequence

    from maskgate.workers.line import Brief


class WorkerFailedError(Exception):
    """A worker could not start; says why, for a person."""


class Worker:
    """A process that was started and told its brief."""

    def __init__(self, process: Process, incoming: asyncio.StreamReader, outgoing: asyncio.StreamWriter) -> None:
        self._process = process
        self._incoming = incoming
        self._outgoing = outgoing  # open as long as the worker is wanted

    @classmethod
    async def start(cls, command: Sequence[str], brief: Brief) -> Self:
        """Start it.

        It gets a session of its own: a terminal's Ctrl-C is for the parent, who ends its workers itself.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            incoming, outgoing = await asyncio.open_connection(sock=ours)
            process = await asyncio.create_subprocess_exec(*command, stdin=theirs.fileno(), start_new_session=True)
        outgoing.write(brief.to_line())
        return cls(process, incoming, outgoing)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    async def listening(self, *, within: float) -> None:
        """Wait until it takes calls.

        Raises:
            WorkerFailedError: It has ended instead, or takes too long.
        """
        try:
            async with asyncio.timeout(within):
                if await self._incoming.readuntil(LISTENING) == LISTENING:
                    return
        except TimeoutError as error:
            raise WorkerFailedError(f"a worker does not listen after {within:g} s") from error
        except (asyncio.IncompleteReadError, ConnectionError) as error:  # the latter if it has not even read its brief
            told = error.partial.decode() if isinstance(error, asyncio.IncompleteReadError) else ""
            raise WorkerFailedError(told or f"a worker has died while it started ({await self.ended()})") from error

    async def ended(self) -> str:
        """Wait until it has ended, and tell how."""
        status = await self._process.wait()
        self._outgoing.close()
        return signal.Signals(-status).name if status < 0 else f"exit status {status}"

    async def stop(self, *, grace: float) -> None:
        """Ask it to end, and kill it after `grace` seconds."""
        self._signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.ended(), grace)
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await self.ended()

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(number)
