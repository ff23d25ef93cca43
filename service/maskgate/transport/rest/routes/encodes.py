"""Encoding images ahead of their first prompts."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from maskgate.transport.rest.limits import ENCODE_PATH
from maskgate.transport.rest.routes.requests import PROTOCOL, Asked, body_of, json_body, schema_of
from maskgate.transport.rest.schemas.encodes import EncodeImagesRequest, EncodeImagesResponse
from maskgate.transport.rest.streaming import NDJSON, EventStream, while_listened_to

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskgate.domain.call import Call
    from maskgate.domain.source import ImageSource
    from maskgate.transport.calls import CallObserver
    from maskgate.transport.rest.streaming import Events
    from maskgate.transport.usecases import UseCases

_LINES = {"content": {NDJSON: {"schema": schema_of(EncodeImagesResponse)}}, "description": "A line for each image."}


def create_router(usecases: UseCases, *, observer: CallObserver) -> APIRouter:
    """Create the route of encodes."""
    router = APIRouter()

    @router.post(
        ENCODE_PATH,
        summary="Encode images ahead of their first prompts",
        response_class=Response,
        openapi_extra=json_body(EncodeImagesRequest),
        responses={200: _LINES},
    )
    async def encode_images(request: Request, asked: Asked) -> Response:
        """Encode images; a line of JSON for each, as it is done. One that fails does not fail the others."""

        async def serve(events: Events) -> None:
            async with observer.call(PROTOCOL, "EncodeImages", asked) as call:
                body = await body_of(request)
                sources, model = await run_in_threadpool(lambda: _read(body))
                await while_listened_to(request.receive, _tell(usecases, (sources, model), call, events))

        return EventStream(serve, media_type=NDJSON)

    return router


async def _tell(usecases: UseCases, wanted: tuple[Sequence[ImageSource], str], call: Call, told: Events) -> None:
    async with aclosing(usecases.encode_images(*wanted, call=call)) as outcomes:
        async for outcome in outcomes:
            await told.tell("image", EncodeImagesResponse.of(outcome))


def _read(body: bytes) -> tuple[list[ImageSource], str]:
    """Read a request, which may hold megabytes of base64: beside the event loop. Raises InvalidRequest."""
    request = EncodeImagesRequest.read(body)
    return request.to_sources(), request.model
