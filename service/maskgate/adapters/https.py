"""Files from the web: the one place that opens connections to where a client has pointed.

Names are resolved here, once for each connection, and what was resolved is what is connected to, so that a name server
that answers differently the next time gains nothing. TLS still proves the name. Of HTTP there is only what is needed:
no proxy, no cookies, no decompression, no connection that is used twice.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import httpcore
import structlog

from maskgate.domain.errors import ImageUrlUnavailable, InvalidImageUrl
from maskgate.domain.url import is_public

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence

    from maskgate.domain.image import ImageLimits
    from maskgate.domain.url import AllowedHosts, ImageUrl

    Resolve = Callable[[str], Awaitable[Sequence[str]]]

_log = structlog.get_logger(__name__)

_PORT: Final = 443
_MOST_REDIRECTS: Final = 3
_OK: Final = 200
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_HEADERS: Final = [(b"Accept", b"image/*"), (b"Accept-Encoding", b"identity"), (b"User-Agent", b"maskgate")]


class RefusedError(Exception):
    """Something about an address or an answer that is not followed further."""


async def resolve(host: str) -> Sequence[str]:
    """Ask the system for all addresses of a host."""
    found = await asyncio.get_running_loop().getaddrinfo(host, _PORT, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class HttpsImageFetcher:
    """Fetches files over https from hosts that are allowed, if all their addresses are public.

    Args:
        hosts: Those that are allowed; redirects are checked as well.
        limits: How large a file may be.
        timeout: Seconds for a file in all, from its name to its last byte.
        resolve: Names to addresses.
        network: Opens connections to addresses.
        tls: Whom to believe; by default the authorities that httpcore believes.
    """

    def __init__(
        self,
        *,
        hosts: AllowedHosts,
        limits: ImageLimits,
        timeout: float,
        resolve: Resolve = resolve,
        network: httpcore.AsyncNetworkBackend | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._hosts = hosts
        self._limits = limits
        self._timeout = timeout
        self._network = _PinnedNetwork(resolve, network or httpcore.AnyIOBackend())
        self._tls = tls

    async def fetch(self, url: ImageUrl) -> bytes:
        """See ImageFetcher. Failures look alike, but for hosts that are not allowed and files that are too large."""
        self._hosts.check(url)
        try:
            async with asyncio.timeout(self._timeout):
                return await self._followed(url)
        except (
            httpcore.NetworkError,
            httpcore.TimeoutException,
            httpcore.ProtocolError,
            OSError,
            UnicodeError,  # a name that is none to the domain name system
            RefusedError,
        ) as error:
            _log.warning("image_url.unavailable", host=url.host, error=f"{type(error).__name__}: {error}")
            raise ImageUrlUnavailable("The image could not be fetched.", host=url.host) from error

    async def _followed(self, url: ImageUrl) -> bytes:
        for _ in range(1 + _MOST_REDIRECTS):
            async with self._asked(url) as response:
                if response.status not in _REDIRECTS:
                    return await self._body(response)
                url = self._redirected(url, response)
        raise RefusedError("too many redirects")

    @asynccontextmanager
    async def _asked(self, url: ImageUrl) -> AsyncIterator[httpcore.Response]:
        target = httpcore.URL(scheme=b"https", host=url.host.encode(), port=_PORT, target=url.target.encode())
        headers = [(b"Host", url.host.encode()), *_HEADERS]
        pool = httpcore.AsyncConnectionPool(
            ssl_context=self._tls, max_connections=1, max_keepalive_connections=0, network_backend=self._network
        )
        async with pool, pool.stream("GET", target, headers=headers) as response:
            yield response

    def _redirected(self, url: ImageUrl, response: httpcore.Response) -> ImageUrl:
        try:
            redirected = url.redirected(_header(response.headers, b"location"))
            self._hosts.check(redirected)
        except (InvalidImageUrl, ValueError) as error:
            raise RefusedError("redirected to where nothing is fetched from") from error
        return redirected

    async def _body(self, response: httpcore.Response) -> bytes:
        if response.status != _OK:
            raise RefusedError(f"status {response.status}")
        if _header(response.headers, b"content-encoding") not in ("", "identity"):
            raise RefusedError("encoded content, which was not asked for")
        body = bytearray()
        async for part in response.aiter_stream():
            body += part
            self._limits.check_bytes(len(body))
        return bytes(body)


class _PinnedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to what it has resolved and checked itself, never to a name."""

    def __init__(self, resolve: Resolve, network: httpcore.AsyncNetworkBackend) -> None:
        self._resolve = resolve
        self._network = network

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of a host, if all of them are public."""
        addresses = await self._resolve(host)
        if not addresses or not all(map(is_public, addresses)):
            raise RefusedError("not all addresses of the host are public")
        return await self._network.connect_tcp(addresses[0], port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        """Wait, as httpcore does before it connects again."""
        await self._network.sleep(seconds)


def _header(headers: Sequence[tuple[bytes, bytes]], name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in headers if key.lower() == name), "").strip()
