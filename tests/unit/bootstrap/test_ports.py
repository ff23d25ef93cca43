"""Ports of one gateway and of its workers, with real sockets."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import Any

import pytest

from maskgate.bootstrap.failures import CannotServeError
from maskgate.bootstrap.ports import listen, reserved_ports
from maskgate.settings import Settings

HOST = "127.0.0.1"
OPTION = "--http-port"


def settings(**given: Any) -> Settings:  # noqa: ANN401
    return Settings(**{"grpc_port": 0, "http_port": 0, "workers": 2, **given})


def test_workers_share_a_reserved_port() -> None:
    """All of them get connections, and who reserved the port gets none."""
    answered = set()
    with reserved_ports(settings()) as chosen, ExitStack() as open_sockets:
        workers = [
            open_sockets.enter_context(listen(HOST, chosen.http_port, option=OPTION, shared=True)) for _ in range(2)
        ]
        for worker in workers:
            worker.setblocking(False)  # noqa: FBT003
        for _ in range(64):
            with socket.create_connection((HOST, chosen.http_port), timeout=5):
                answered |= {number for number, worker in enumerate(workers) if _accepts(worker)}

    assert {0, 1} == answered


def _accepts(listener: socket.socket) -> bool:
    try:
        connection, _ = listener.accept()
    except BlockingIOError:
        return False
    connection.close()
    return True


def test_two_ports_are_chosen() -> None:
    """Where 0 was asked for, and they differ."""
    with reserved_ports(settings()) as chosen:
        assert 0 not in (chosen.grpc_port, chosen.http_port)
        assert chosen.grpc_port != chosen.http_port


@pytest.mark.parametrize("option", ["grpc_port", "http_port"])
def test_a_port_in_use_is_told(option: str) -> None:
    """Although it could be shared with who has it: calls would go to a stranger."""
    with listen(HOST, 0, option=OPTION, shared=True) as stranger:
        taken = settings(**{option: stranger.getsockname()[1]})

        with pytest.raises(CannotServeError, match="in use"), reserved_ports(taken):
            pass


def test_another_machines_address_is_told() -> None:
    """Before any worker starts."""
    foreign = settings(host="192.0.2.1", insecure=True)

    with pytest.raises(CannotServeError, match=r"cannot listen on 192\.0\.2\.1"), reserved_ports(foreign):
        pass
