"""TCP ports: one gateway listens on its own, workers share theirs."""

from __future__ import annotations

import socket
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from maskgate.bootstrap.failures import CannotServeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maskgate.settings import Settings


class CannotListenError(CannotServeError):
    """An address that the gateway was told to listen on is taken, or is not this machine's."""

    def __init__(self, host: str, port: int, *, option: str) -> None:
        super().__init__(f"cannot listen on {host} port {port}: is it in use? Choose another with {option}.")


def listen(host: str, port: int, *, option: str, shared: bool = False) -> socket.socket:
    """Listen on an address, alone or beside others that say `shared`, too.

    Raises:
        CannotListenError: It is taken, or is not this machine's.
    """
    try:
        return socket.create_server(
            (host, port),
            family=_family(host),
            reuse_port=shared,
            dualstack_ipv6=host == "::",  # as gRPC does
        )
    except OSError as error:
        raise CannotListenError(host, port, option=option) from error


@contextmanager
def reserved_ports(asked: Settings) -> Iterator[Settings]:
    """Keep both ports for workers, also while none of them lives; the settings name those that were chosen for 0.

    Linux hands connections to sockets that listen, and these do not: a port can be bound by many and kept by one.

    Raises:
        CannotListenError: A port is taken, or the host is not this machine's.
    """
    with ExitStack() as held:
        grpc = held.enter_context(_reserved(asked.host, asked.grpc_port, option="--grpc-port"))
        http = held.enter_context(_reserved(asked.host, asked.http_port, option="--http-port"))
        yield asked.model_copy(update={"grpc_port": _port(grpc), "http_port": _port(http)})


def _reserved(host: str, port: int, *, option: str) -> socket.socket:
    listen(host, port, option=option).close()  # a stranger who shares the port would get half of the calls
    reserved = socket.socket(_family(host))
    try:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of before may linger
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if reserved.family == socket.AF_INET6:
            reserved.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(host != "::"))
        reserved.bind((host, port))
    except OSError as error:
        reserved.close()
        raise CannotListenError(host, port, option=option) from error
    return reserved


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _port(bound: socket.socket) -> int:
    return int(bound.getsockname()[1])
