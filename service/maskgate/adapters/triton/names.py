"""Who goes by a name."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

Resolve = Callable[[str], Coroutine[Any, Any, list[str]]]
"""Returns `host:port` of each who goes by that of a name, as `addresses` does."""

_NOBODY = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
"""What a name server answers of a name that stands for nothing."""


class Names:
    """Looks each name up once at a time.

    A look-up holds one of the process's few threads for look-ups until the system gives it up, also when nobody waits
    for it any more: while a name server hangs, those who ask again wait for the same one.
    """

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._under_way: dict[str, asyncio.Task[list[str]]] = {}

    async def who(self, url: str) -> list[str]:
        """Return and raise what `addresses` does. Who is cancelled leaves the look-up to who asks next."""
        if url not in self._under_way:
            self._under_way[url] = asyncio.create_task(self._look_up(url), name="names")
            self._under_way[url].add_done_callback(_notice)
        return await asyncio.shield(self._under_way[url])

    def close(self) -> None:
        """Wait for none any more."""
        for looking in self._under_way.values():
            looking.cancel()

    async def _look_up(self, url: str) -> list[str]:
        try:
            return await self._resolve(url)
        finally:
            del self._under_way[url]


def _notice(looking: asyncio.Task[list[str]]) -> None:
    """Look at the error, which asyncio would tell of where nobody waited for it any more."""
    if not looking.cancelled():
        looking.exception()


async def addresses(url: str) -> list[str]:
    """Return `host:port` of each who goes by a name, with addresses in its place; none: nobody does.

    Raises:
        OSError: It cannot be found out.
        UnicodeError: It cannot be a name.
    """
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
