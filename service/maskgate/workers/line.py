"""What parent and worker say to each other, over a socket that is the worker's standard input.

The parent says what to do, in one line. The worker says when it listens, or why it cannot. The parent keeps the socket
open as long as it lives: that it has gone, however it went, is the end of the line.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from dataclasses import asdict, dataclass
from typing import Final, Self

LISTENING: Final = b"listening\n"


@dataclass(frozen=True, slots=True)
class Brief:
    """What a worker has to know.

    Attributes:
        number: Which of the workers it is, from 0. One that takes a dead one's place takes its number.
        workers: How many there are.
        directory: A private folder of all of them, that goes with the parent.
        settings: What the worker is to serve, and how, as JSON. Not on the command line: it may hold passwords.
    """

    number: int
    workers: int
    directory: str
    settings: str

    def to_line(self) -> bytes:
        """Write it as one line."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        """Read what `to_line` wrote."""
        return cls(**json.loads(line))


class Parent:
    """The parent, as a worker sees it."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line

    @classmethod
    def at_standard_input(cls) -> Self:
        """Take the line that this process was started with."""
        return cls(socket.socket(fileno=os.dup(sys.stdin.fileno())))

    def brief(self) -> Brief:
        """Hear what there is to do; to be asked once, first."""
        with self._line.makefile("rb") as incoming:
            return Brief.from_line(incoming.readline())

    def tell_listening(self) -> None:
        """Say that calls are taken from now on."""
        self._line.sendall(LISTENING)

    def tell_failed(self, why: str) -> None:
        """Say why this worker will never listen."""
        self._line.sendall(why.encode())

    async def gone(self) -> None:
        """Wait until the parent is no more."""
        self._line.setblocking(False)  # noqa: FBT003 - the signature of the standard library
        await asyncio.get_running_loop().sock_recv(self._line, 1)
