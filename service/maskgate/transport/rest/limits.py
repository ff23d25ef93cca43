"""Bodies are counted while they arrive, so that none is read further than the limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from maskgate.domain.errors import ImageTooLarge

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Message, Receive

MULTIPART_OVERHEAD_BYTES = 64 * 1024
"""What the headers and boundaries of a form may take beside the file in it."""


def limit_body(request: Request, *, max_bytes: int) -> None:
    """Make reading the body of a request fail once it is larger than the limit.

    Raises:
        ImageTooLarge: Its Content-Length says so already; otherwise while it is read.
    """
    declared = Headers(scope=request.scope).get("content-length", "")
    if declared.isdigit() and int(declared) > max_bytes:
        raise _too_large(max_bytes)
    request._receive = _counting(request._receive, max_bytes)  # noqa: SLF001 - Starlette has no public hook


def _counting(receive: Receive, max_bytes: int) -> Receive:
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > max_bytes:
            raise _too_large(max_bytes)
        return message

    return counted


def _too_large(max_bytes: int) -> ImageTooLarge:
    return ImageTooLarge(f"The body is larger than the limit of {max_bytes} bytes.", limit_bytes=max_bytes)
