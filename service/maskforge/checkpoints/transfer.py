"""One HTTP request for what is missing of a file (RFC 9110, sections 13.1.5 and 14)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

import httpx

from maskforge.errors import DownloadFailed

if TYPE_CHECKING:
    from maskforge.checkpoints.partial import Partial

Progress = Callable[[int, int | None], None]
"""Is told how many bytes are there, and of how many; the latter is None where the server does not say."""

_CONTENT_RANGE: Final = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")


class Body(NamedTuple):
    """Which bytes a server sends, and how long the whole file is, if it says so."""

    offset: int
    total: int | None


def fetch(client: httpx.Client, url: str, partial: Partial, progress: Progress) -> None:
    """Bring what is missing, as far as the connection lasts; what has come is in `partial` either way.

    A server that knows no ranges, or whose file has changed, sends all of it: then this starts from the first byte.

    Raises:
        httpx.HTTPError: The request failed, or the answer broke off.
        DownloadFailed: The server sends other bytes than were asked for.
        NotEnoughSpace: The disk cannot hold the rest.
    """
    with client.stream("GET", url, headers=_headers(partial)) as response:
        if partial.size == 0 or response.status_code != httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            _receive(response.raise_for_status(), partial, progress)
            return
        total = _ranged(response).total
    if total != partial.size:  # or all of it is there already, and there was nothing to add
        partial.restart()
        fetch(client, url, partial, progress)


def _headers(partial: Partial) -> dict[str, str]:
    """Ask for what is missing, if the file is still the same; compressed bytes could not be counted."""
    headers = {"Accept-Encoding": "identity"}
    if partial.size:
        headers["Range"] = f"bytes={partial.size}-"
        if partial.etag:
            headers["If-Range"] = partial.etag
    return headers


def _receive(response: httpx.Response, partial: Partial, progress: Progress) -> None:
    body = _ranged(response) if response.status_code == httpx.codes.PARTIAL_CONTENT else _whole(response)
    _position(partial, body)
    partial.etag = _strong_etag(response)
    if body.total is not None:
        partial.reserve(body.total)
    progress(partial.size, body.total)
    for block in response.iter_raw():
        partial.write(block)
        progress(partial.size, body.total)


def _position(partial: Partial, body: Body) -> None:
    """Make room for the bytes that follow."""
    if body.offset == 0:
        partial.restart()
    elif body.offset != partial.size:
        raise DownloadFailed(f"the server sends the bytes from {body.offset}, not from {partial.size}")
    partial.pieced = body.offset > 0


def _whole(response: httpx.Response) -> Body:
    length = response.headers.get("Content-Length")
    return Body(0, None if length is None else int(length))


def _ranged(response: httpx.Response) -> Body:
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if found is None:
        raise DownloadFailed("the server sends a part of the file, but does not say which")
    offset, total = found.groups()
    return Body(int(offset or 0), None if total == "*" else int(total))


def _strong_etag(response: httpx.Response) -> str | None:
    """Return the validator if it vouches for every byte; a weak one may not be sent back with a range."""
    etag: str | None = response.headers.get("ETag")
    return etag if etag and not etag.startswith("W/") else None
