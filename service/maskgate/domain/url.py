"""Addresses that images are fetched from: which may be asked for at all, and which machines may be behind them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin

from maskgate.domain.errors import InvalidImageUrl

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

_LONGEST: Final = 2048
_LABEL: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST: Final = rf"{_LABEL}(\.{_LABEL})*"
_URL: Final = re.compile(rf"(?i:https://(?P<host>{_HOST})(:443)?)(?P<target>[/?][!-~]*)?")
HOST_PATTERN: Final = rf"(\*\.)?{_HOST}"
"""What an entry of the hosts that are allowed looks like: a name in lower case, or `*.` before one."""

_NAT64: Final = IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are the IPv4 address that is meant


@dataclass(frozen=True, slots=True)
class ImageUrl:
    """An https address on port 443 without a user or password, in parts that no other parser has to read again.

    Attributes:
        host: In lower case.
        target: Path and query, with the slash that they begin with.
    """

    host: str
    target: str

    def __str__(self) -> str:
        return f"https://{self.host}{self.target}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an address that a client sent; a fragment is left out.

        Raises:
            InvalidImageUrl: It has another form, or is too long.
        """
        match = _URL.fullmatch(text.partition("#")[0]) if len(text) <= _LONGEST else None
        if match is None:
            raise InvalidImageUrl("An image's URL is https://host/path, on port 443 and without a user.", url=text)
        target = match["target"] or "/"
        return cls(match["host"].lower(), target if target.startswith("/") else f"/{target}")

    def redirected(self, location: str) -> Self:
        """Return where a redirect leads. Raises InvalidImageUrl."""
        return self.parse(urljoin(str(self), location))


class AllowedHosts:
    """The hosts that are meant: names, and `*.example.com` for all names below one."""

    def __init__(self, entries: Iterable[str]) -> None:
        entries = frozenset(entries)
        self._names = frozenset(entry for entry in entries if not entry.startswith("*."))
        self._parents = tuple(entry.removeprefix("*") for entry in entries - self._names)

    def __contains__(self, host: str) -> bool:
        """Whether a host, in lower case, is among them."""
        return host in self._names or host.endswith(self._parents)

    def check(self, url: ImageUrl) -> None:
        """Raise InvalidImageUrl where a host is not among them."""
        if url.host not in self:
            raise InvalidImageUrl(f"This server fetches nothing from {url.host!r}.", host=url.host)


def is_public(address: str) -> bool:
    """Say whether an IP address is one of the public internet, and so is the IPv4 address that it may stand for."""
    try:
        known = ip_address(address)
    except ValueError:  # with a scope, such as fe80::1%eth0, or no address
        return False
    if isinstance(known, IPv4Address):
        return _is_public(known)
    inside = _unwrapped(known)
    return _is_public(known) if inside is None else _is_public(inside)


def _unwrapped(address: IPv6Address) -> IPv4Address | None:
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    """Ask for more than `is_global`, which multicast addresses are in part."""
    special = address.is_multicast or address.is_reserved or address.is_loopback or address.is_link_local
    return address.is_global and not special and not getattr(address, "is_site_local", False)
