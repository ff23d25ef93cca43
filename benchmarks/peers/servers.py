"""Starts and ends the peers' servers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.peers.decoders import Order

ENVIRONMENT: Final = Path(".venv-peers", "bin")
PYTHON_PATH: Final = "service:."
START: Final = 120.0
"""Seconds for a server to load its models, beside others that do."""
END: Final = 10.0
"""Seconds for it to end."""
ASK_AGAIN: Final = 0.2
OK: Final = 200
COMMANDS: Final = {
    "litserve": ("python", "-m", "benchmarks.peers.litserve_peer", "{port}"),
    "bentoml": (
        *("bentoml", "serve", "benchmarks.peers.bentoml_peer:Peer"),
        *("--host", "127.0.0.1", "--port", "{port}", "--quiet"),
    ),
}
READY: Final = {"litserve": "/health", "bentoml": "/readyz"}


@dataclass(frozen=True, slots=True)
class Peer:
    """A server that has been started; it may not be ready yet."""

    framework: str
    address: str
    process: subprocess.Popen[bytes]

    def await_ready(self) -> None:
        """Wait for its models.

        Raises:
            RuntimeError: It has ended, or takes too long.
        """
        deadline = time.monotonic() + START
        while not self._is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server of {self.framework} did not start")
            time.sleep(ASK_AGAIN)

    def _is_ready(self) -> bool:
        connection = HTTPConnection(self.address, timeout=START)
        try:
            connection.request("GET", READY[self.framework])
            return connection.getresponse().status == OK
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()


@contextmanager
def started(framework: str, order: Order) -> Iterator[Peer]:
    """Start a server, which ends with the block, and all its processes with it."""
    port = _free_port()
    program, *arguments = (part.format(port=port) for part in COMMANDS[framework])
    quiet = {"BENTOML_DO_NOT_TRACK": "1", "PYTHONPATH": PYTHON_PATH}
    process = subprocess.Popen(  # noqa: S603 - ours
        [ENVIRONMENT / program, *arguments],
        env={**os.environ, **quiet, **order.environment()},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield Peer(framework, f"127.0.0.1:{port}", process)
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(END)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
