"""Embeddings, for those who decode themselves."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Header, Query, Response

from maskgate.domain.image import ImageId
from maskgate.transport.rest.limits import UPLOAD_PATH
from maskgate.transport.rest.routes.requests import PROTOCOL, Asked, ImageIdPath
from maskgate.transport.rest.schemas.models import Model

if TYPE_CHECKING:
    from maskgate.transport.calls import CallObserver
    from maskgate.transport.usecases import UseCases
    from maskgate.usecases.get_embedding import GivenEmbedding

_ModelQuery = Annotated[str, Query(description="Name of the model; empty means the server's default.")]
_IfNoneMatch = Annotated[str, Header(description="The ETag of an embedding that the client has; it is not sent again.")]
_EMBEDDING = {"content": {"application/octet-stream": {}}, "description": "fp16, little-endian, C x E x E."}


def create_router(usecases: UseCases, *, observer: CallObserver) -> APIRouter:
    """Create the route of embeddings."""
    router = APIRouter()

    @router.get(
        f"{UPLOAD_PATH}/{{image_id}}/embedding",
        summary="Get an embedding",
        response_class=Response,
        responses={200: _EMBEDDING, 304: {"description": "The client has it."}},
    )
    async def get_embedding(
        image_id: ImageIdPath, asked: Asked, model: _ModelQuery = "", if_none_match: _IfNoneMatch = ""
    ) -> Response:
        """Give an embedding away as raw half-precision floats; the image is encoded now if it has to be."""
        async with observer.call(PROTOCOL, "GetEmbedding", asked) as call:
            given = await usecases.get_embedding(ImageId.parse(image_id), model, call=call)
        headers = _headers(given)
        if _names(if_none_match, headers["ETag"]):
            return Response(status_code=304, headers=headers)
        return Response(given.tensor, media_type="application/octet-stream", headers=headers)

    return router


def _headers(given: GivenEmbedding) -> dict[str, str]:
    size = given.original
    image = {"image_id": str(given.key.image_id), "width": size.width, "height": size.height}
    return {
        "ETag": _etag(str(given.key)),
        "Cache-Control": "private, no-cache",  # asked each time whether it is still there
        "X-Maskgate-Image": json.dumps(image),
        "X-Maskgate-Model": json.dumps(Model.of(given.model).model_dump()),
    }


def _etag(key: str) -> str:
    """Name an embedding. Weakly (RFC 9110, section 8.8.1): engines of one precision may differ in the last bits."""
    return f'W/"{hashlib.sha256(key.encode()).hexdigest()}"'


def _names(header: str, etag: str) -> bool:
    """Say whether If-None-Match names a tag, compared weakly (RFC 9110, section 13.1.2)."""
    return header.strip() == "*" or etag.removeprefix("W/") in re.findall(r'"[^"]*"', header)
