from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from maskgate.stack.gateway import says_ready
from maskgate.stack.triton import serves
from maskgate.stack.valkey import answers_ping

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def answering(listener: socket.socket, *, answer: bytes) -> Iterator[None]:
    """Answers the first connection's first words with `answer`."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    yield
    thread.join(timeout=10)


@pytest.mark.parametrize(
    ("expected", "answer"),
    [
        (True, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        (False, b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"),
        (False, b"no HTTP at all\r\n\r\n"),
    ],
)
def test_a_gateway_is_ready_when_it_says_so(*, expected: bool, answer: bytes) -> None:
    """Only 200 from /readyz counts."""
    with socket.create_server(("127.0.0.1", 0)) as listener, answering(listener, answer=answer):
        assert expected == says_ready(f"127.0.0.1:{listener.getsockname()[1]}")


@pytest.mark.parametrize(("expected", "answer"), [(True, b"+PONG\r\n"), (False, b"-LOADING\r\n")])
def test_valkey_is_ready_when_it_says_pong(tmp_path: Path, *, expected: bool, answer: bytes) -> None:
    """A server that is still loading is not ready."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        with answering(listener, answer=answer):
            assert expected == answers_ping(tmp_path / "s")


def test_nobody_is_not_ready(tmp_path: Path) -> None:
    """Where nobody listens, nothing is ready."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"

    assert [False] * 3 == [says_ready(address), answers_ping(tmp_path / "s"), serves(address, models=["m"])]
