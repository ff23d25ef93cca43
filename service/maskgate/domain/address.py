"""Addresses of machines: which of them lead to this one, and to no other."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final

_AUTHORITY: Final = re.compile(r"(\[(?P<ipv6>[0-9A-Fa-f:.]*)\]|(?P<name>[^:\[\]]*))(:[0-9]*)?")


def host_of(authority: str) -> str:
    """Return the host of `host`, `host:port` or `[IPv6]:port` (RFC 3986, 3.2), in lower case; of all else nothing."""
    match = _AUTHORITY.fullmatch(authority)
    return (match["ipv6"] or match["name"] or "").lower() if match else ""


def is_ip(host: str) -> bool:
    """Whether it is an IP address, without brackets, rather than a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a host. A name may come to mean anything, but for this one (RFC 6761)."""
    return ip_address(host).is_loopback if is_ip(host) else host == "localhost"
