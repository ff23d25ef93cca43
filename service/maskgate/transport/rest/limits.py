"""Bodies are counted while they arrive, so that none is read further than the limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from maskgate.domain.errors import ImageTooLarge, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from maskgate.domain.errors import MaskgateError

UPLOAD_PATH = "/v1/images"
ENCODE_PATH = f"{UPLOAD_PATH}:encode"
MOST_JSON_BYTES = 1024 * 1024
"""Of a body, and of a message on a WebSocket."""
BATCH_PATH = f"{UPLOAD_PATH}:segment"
_MOST_BATCH_BYTES = 8 * MOST_JSON_BYTES
_FORM_OVERHEAD_BYTES = 64 * 1024  # headers and boundaries of a form, beside the file in it


class BodyLimit:
    """Makes reading a body fail once it is longer than it may be.

    The error is raised where the body is read, inside the app, so that it is answered like any other.
    """

    def __init__(self, app: ASGIApp, *, max_upload_bytes: int) -> None:
        self._app = app
        self._max_upload_bytes = max_upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, with its body counted."""
        if scope["type"] == "http":
            receive = self._limited(scope, receive)
        await self._app(scope, receive, send)

    def _limited(self, scope: Scope, receive: Receive) -> Receive:
        headers = Headers(scope=scope)
        declared = headers.get("content-length", "")
        length = int(declared) if declared.isdigit() else 0
        if scope["path"] == ENCODE_PATH:
            base64 = self._max_upload_bytes * 4 // 3
            return _counting(receive, length, limit=MOST_JSON_BYTES + base64, refuse=_json_too_long)
        if scope["path"] != UPLOAD_PATH:
            most = _MOST_BATCH_BYTES if scope["path"] == BATCH_PATH else MOST_JSON_BYTES
            return _counting(receive, length, limit=most, refuse=_json_too_long)
        form = _FORM_OVERHEAD_BYTES if is_form(headers) else 0
        return _counting(receive, length, limit=self._max_upload_bytes + form, refuse=_upload_too_long)


def is_form(headers: Headers) -> bool:
    """Whether a body is a form rather than a file."""
    return headers.get("content-type", "").lower().startswith("multipart/form-data")


def _counting(receive: Receive, declared: int, *, limit: int, refuse: Callable[[int], MaskgateError]) -> Receive:
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        if declared > limit:
            raise refuse(limit)
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise refuse(limit)
        return message

    return counted


def _json_too_long(limit: int) -> MaskgateError:
    return InvalidRequest(f"The body is longer than {limit} bytes.", limit_bytes=limit)


def _upload_too_long(limit: int) -> MaskgateError:
    return ImageTooLarge(f"The upload is larger than the limit of {limit} bytes.", limit_bytes=limit)
