"""The Tritons that encode, where those are others than decode: as many as their names stand for at the moment.

A headless service of Kubernetes has one address for each pod that is ready, and none while there are no pods. So new
pods get their share as soon as they are ready, and each is held to the engine that the decoders serve.
"""

from __future__ import annotations

import asyncio
from itertools import chain
from typing import TYPE_CHECKING

import structlog

from maskgate.adapters.triton.endpoints import Endpoint, Endpoints
from maskgate.adapters.triton.names import Names, addresses
from maskgate.adapters.triton.specs import ENCODER, Encoding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskgate.adapters.triton.endpoints import Manner
    from maskgate.adapters.triton.names import Resolve

_log = structlog.get_logger(__name__)


class Encoders(Endpoints[Encoding]):
    """Endpoints that come and go.

    Args:
        urls: `host:port` of each; a host may be a name of several.
        manner: How they are talked to.
        resolve: Returns who goes by a name, as `addresses` does.
    """

    def __init__(self, urls: Sequence[str], manner: Manner, resolve: Resolve = addresses) -> None:
        super().__init__(())
        self._names = Names(resolve)
        self._urls = urls
        self._manner = manner
        self._leaving: list[Endpoint[Encoding]] = []

    async def look_up(self) -> None:
        """Find out who is there now. Whoever has gone may still finish what it was asked. Never raises."""
        try:
            async with asyncio.timeout(self._manner.bounds.describe):
                found = await asyncio.gather(*map(self._names.who, self._urls))
        except (OSError, UnicodeError) as error:  # the trouble of a name or its server; the encoders may be well
            _log.warning("encoders.unresolved", error=str(error))
            return
        self._replace(list(chain.from_iterable(found)))
        await self._close_idle()

    async def close(self) -> None:
        """See Endpoints."""
        self._names.close()
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
