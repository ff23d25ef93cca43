from __future__ import annotations

import pytest

from maskgate.domain.address import host_of, is_ip, is_loopback


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        ("Gateway.example.com:8080", "gateway.example.com"),
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1:1", "127.0.0.1"),
        ("[::1]:50051", "::1"),
        ("[FE80::1]", "fe80::1"),
        ("localhost:", "localhost"),
    ],
)
def test_the_host_of_an_authority(authority: str, host: str) -> None:
    """Its name or address, without port and brackets."""
    assert host == host_of(authority)


@pytest.mark.parametrize(
    "text",
    ["", ":80", "::1", "[localhost]", "[::1", "a:b", "127.0.0.1:1,evil.example:2", "dns:///localhost:1", "a:1:2"],
)
def test_what_is_no_authority_has_no_host(text: str) -> None:
    """What can be read in two ways is read in none."""
    assert "" == host_of(text)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", (True, True)),
        ("127.9.9.9", (True, True)),
        ("::1", (True, True)),
        ("localhost", (False, True)),
        ("10.0.0.7", (True, False)),
        ("0.0.0.0", (True, False)),  # noqa: S104 - nothing listens there
        ("2001:db8::1", (True, False)),
        ("localhost.example.com", (False, False)),
        ("127.0.0.1.example.com", (False, False)),
        ("127.1", (False, False)),
        ("", (False, False)),
    ],
)
def test_which_hosts_are_this_machine(host: str, expected: tuple[bool, bool]) -> None:
    """Addresses of the loopback and one name; what merely looks like them is a name like any other."""
    assert expected == (is_ip(host), is_loopback(host))
