"""The Tritons that encode, where those are others than decode: as many as their names stand for at the moment.

A headless service of Kubernetes has one address for each pod that is ready, and none while there are no pods. So new
pods get their share as soon as they are ready, and each is held to the engine that the decoders serve.
"""

from __future__ import annotations

import asyncio
import socket
from itertools import chain
from typing import TYPE_CHECKING

import structlog

from maskgate.adapters.triton.endpoints import Endpoint, Endpoints
from maskgate.adapters.triton.specs import ENCODER, Encoding

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from maskgate.adapters.triton.endpoints import Manner

_log = structlog.get_logger(__name__)

_NOBODY = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
"""What a name server answers of a name that stands for nothing."""


class Encoders(Endpoints[Encoding]):
    """Endpoints that come and go.

    Args:
        urls: `host:port` of each; a host may be a name of several.
        manner: How they are talked to.
        resolve: Returns who goes by a name, as `addresses` does.
    """

    def __init__(
        self, urls: Sequence[str], manner: Manner, resolve: Callable[[str], Awaitable[list[str]]] | None = None
    ) -> None:
        super().__init__(())
        self._resolve = resolve or addresses
        self._urls = urls
        self._manner = manner
        self._leaving: list[Endpoint[Encoding]] = []

    async def look_up(self) -> None:
        """Find out who is there now. Whoever has gone may still finish what it was asked. Never raises."""
        try:
            async with asyncio.timeout(self._manner.bounds.describe):
                found = await asyncio.gather(*map(self._resolve, self._urls))
        except (OSError, TimeoutError) as error:  # the name server's trouble; the encoders may be well
            _log.warning("encoders.unresolved", error=str(error))
            return
        self._replace(list(chain.from_iterable(found)))
        await self._close_idle()

    async def close(self) -> None:
        """See Endpoints."""
        await super().close()
        for endpoint in self._leaving:
            await endpoint.close()

    def _replace(self, addresses: Sequence[str]) -> None:
        known = {endpoint.url: endpoint for endpoint in self.all}
        self._leaving += [known[url] for url in known.keys() - set(addresses)]
        self.all = tuple(known.get(url) or Endpoint(url, ENCODER, self._manner) for url in dict.fromkeys(addresses))

    async def _close_idle(self) -> None:
        idle = [endpoint for endpoint in self._leaving if not endpoint.in_flight]
        self._leaving = [endpoint for endpoint in self._leaving if endpoint.in_flight]
        for endpoint in idle:
            await endpoint.close()


async def addresses(url: str) -> list[str]:
    """Return `host:port` of each who goes by a name, with addresses in its place; none: nobody does. Raises OSError."""
    host, _, port = url.rpartition(":")
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno in _NOBODY:
            return []
        raise
    return sorted({_url(*address[:2]) for *_, address in found})


def _url(host: object, port: object) -> str:
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
