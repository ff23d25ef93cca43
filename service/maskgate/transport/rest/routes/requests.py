"""What routes read of a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import Header, Path
from starlette.requests import ClientDisconnect

from maskgate.domain.errors import InvalidRequest
from maskgate.domain.image import IMAGE_ID_PATTERN

if TYPE_CHECKING:
    from fastapi import Request

PROTOCOL = "rest"
"""As metrics and log call it."""

ImageIdPath = Annotated[
    str,
    Path(
        description="'sha256:' and 64 lower-case hexadecimal digits.",
        json_schema_extra={"pattern": f"^{IMAGE_ID_PATTERN}$"},
    ),
]
Timeout = Annotated[
    float | None,
    Header(alias="Request-Timeout", gt=0, description="Seconds after which the answer is of no use any more."),
]


async def body_of(request: Request) -> bytes:
    """Read a body inside the call and not by FastAPI, so that refusals are counted. Raises InvalidRequest."""
    try:
        return await request.body()
    except ClientDisconnect as error:
        raise InvalidRequest("The client left before its request was complete.") from error
