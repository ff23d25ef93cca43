from __future__ import annotations

import socket

import pytest

from maskgate.stack.errors import CannotStart, PortInUse
from maskgate.stack.listeners import Listener, choose_ports, reachable_at


def test_zero_stands_for_any_free_port() -> None:
    """Every port 0 becomes another real port."""
    ports = choose_ports([Listener("127.0.0.1", 0, "--a"), Listener("127.0.0.1", 0, "--b")])

    assert {"--a", "--b"} == ports.keys()
    assert len(set(ports.values()) - {0}) == 2


def test_a_port_in_use_names_port_and_option() -> None:
    """The error for a taken port says which port it is and which option chooses another one."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(PortInUse) as caught:
            choose_ports([Listener("127.0.0.1", port, "--http-port")])

    assert f"port {port} on 127.0.0.1 is already in use; choose another one with --http-port" == str(caught.value)


def test_a_shared_port_is_seen() -> None:
    """A listener that would share its port, as gRPC servers do, counts as one that uses it."""
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as taken, pytest.raises(PortInUse):
        choose_ports([Listener("127.0.0.1", taken.getsockname()[1], "--grpc-port")])


def test_two_listeners_cannot_have_the_same_port() -> None:
    """Asking for one port twice is found out before anything starts."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    with pytest.raises(PortInUse, match="--b"):
        choose_ports([Listener("127.0.0.1", port, "--a"), Listener("127.0.0.1", port, "--b")])


def test_a_free_port_stays_free() -> None:
    """Choosing a port does not keep it."""
    first = choose_ports([Listener("127.0.0.1", 0, "--a")])["--a"]

    assert {"--a": first} == choose_ports([Listener("127.0.0.1", first, "--a")])


def test_a_foreign_address_is_refused() -> None:
    """An address that is not this machine's is an error of its own."""
    with pytest.raises(CannotStart, match=r"cannot listen on 192\.0\.2\.1, port 8080 \(--http-port\)"):
        choose_ports([Listener("192.0.2.1", 8080, "--http-port")])


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_every_address_includes_those_of_ipv4() -> None:
    """A port that only an IPv4 listener has is taken for `::`, which takes IPv4 connections, too."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(PortInUse, match="on :: is already in use"):
        choose_ports([Listener("::", taken.getsockname()[1], "--http-port")])


@pytest.mark.parametrize(
    ("expected", "host"),
    [
        ("127.0.0.1:80", "127.0.0.1"),
        ("127.0.0.1:80", "0.0.0.0"),  # noqa: S104 - it is what is tested
        ("[::1]:80", "::"),
        ("10.0.0.7:80", "10.0.0.7"),
    ],
)
def test_where_a_listener_is_reached(expected: str, host: str) -> None:
    """A listener on all addresses is reached by the loopback; IPv6 addresses get brackets."""
    assert expected == reachable_at(host, 80)
