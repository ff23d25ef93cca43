"""What routes read of a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Header, Path, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import ClientDisconnect

from maskgate.domain.errors import InvalidRequest
from maskgate.domain.image import IMAGE_ID_PATTERN
from maskgate.transport.calls import Envelope

if TYPE_CHECKING:
    from pydantic import BaseModel

PROTOCOL = "rest"
"""As metrics and log call it."""

ImageIdPath = Annotated[
    str,
    Path(
        description="'sha256:' and 64 lower-case hexadecimal digits.",
        json_schema_extra={"pattern": f"^{IMAGE_ID_PATTERN}$"},
    ),
]
_Timeout = Annotated[
    float | None,
    Header(alias="Request-Timeout", gt=0, description="Seconds after which the answer is of no use any more."),
]


_Documented = Annotated[
    HTTPAuthorizationCredentials | None,
    Security(HTTPBearer(auto_error=False, description="An API key, where the gateway has keys.")),
]


def _envelope(request: Request, _documented: _Documented = None, timeout: _Timeout = None) -> Envelope:
    """Read what every route takes; who calls is judged within the call, so that refusals are counted."""
    return Envelope.of(request.headers, deadline=timeout)


Asked = Annotated[Envelope, Depends(_envelope)]
"""What a client says around a request."""


async def body_of(request: Request) -> bytes:
    """Read a body inside the call and not by FastAPI, so that refusals are counted. Raises InvalidRequest."""
    try:
        return await request.body()
    except ClientDisconnect as error:
        raise InvalidRequest("The client left before its request was complete.") from error


def json_body(model: type[BaseModel]) -> dict[str, Any]:
    """Describe a JSON body, which FastAPI does not read, to OpenAPI."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema_of(model)}}}}


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """Describe JSON that FastAPI neither reads nor writes."""
    schema = model.model_json_schema()
    inlined: dict[str, Any] = _inlined(schema, schema.pop("$defs", {}))
    return inlined


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    """Put definitions in the place of references to them, which an OpenAPI document would look for elsewhere."""
    if isinstance(schema, list):
        return [_inlined(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(definitions[schema["$ref"].rsplit("/", 1)[1]], definitions)
    return {key: _inlined(part, definitions) for key, part in schema.items()}
