"""TCP addresses that the stack is going to listen on."""

from __future__ import annotations

import errno
import socket
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maskgate.stack.errors import CannotStart, PortInUse

if TYPE_CHECKING:
    from collections.abc import Iterable

WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - the addresses that mean "all of them"


@dataclass(frozen=True, slots=True)
class Listener:
    """An address to listen on and the option that chooses its port; port 0 stands for any free one."""

    host: str
    port: int
    option: str


def choose_ports(listeners: Iterable[Listener]) -> dict[str, int]:
    """Proves that every port is free, by listening on all of them for a moment, and returns them by option.

    Raises:
        PortInUse: Somebody listens there, or two of the listeners ask for the same port.
        CannotStart: The host is not an address of this machine, or the port is a privileged one.
    """
    with ExitStack() as held:
        return {it.option: held.enter_context(_listen(it)).getsockname()[1] for it in listeners}


def reachable_at(host: str, port: int) -> str:
    """The `host:port` at which a client on this machine reaches a listener on `host`."""
    address = WILDCARDS.get(host, host)
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _listen(listener: Listener) -> socket.socket:
    family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
    both = listener.host == "::" and socket.has_dualstack_ipv6()  # the gateway's `::` takes IPv4 connections, too
    try:
        # SO_REUSEADDR (set here) overlooks closed connections; without SO_REUSEPORT a listening gRPC server is seen.
        return socket.create_server((listener.host, listener.port), family=family, dualstack_ipv6=both)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(listener.port, host=listener.host, option=listener.option) from error
        raise CannotStart(
            f"cannot listen on {listener.host}, port {listener.port} ({listener.option}): {error.strerror}"
        ) from error
