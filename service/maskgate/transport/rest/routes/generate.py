"""Finding everything in an image."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Header, Request, Response

from maskgate.domain.image import ImageId
from maskgate.transport.rest.limits import UPLOAD_PATH
from maskgate.transport.rest.routes.requests import PROTOCOL, Asked, ImageIdPath, body_of, json_body, schema_of
from maskgate.transport.rest.schemas.errors import ErrorResponse
from maskgate.transport.rest.schemas.generation import (
    GenerateRequest,
    MaskEvent,
    ProgressEvent,
    SummaryEvent,
    WithdrawnEvent,
    event_of,
)
from maskgate.transport.rest.streaming import NDJSON, SSE, EventStream, while_listened_to

if TYPE_CHECKING:
    from maskgate.domain.call import Call
    from maskgate.domain.generation.query import GenerationQuery
    from maskgate.transport.calls import CallObserver
    from maskgate.transport.rest.streaming import Events
    from maskgate.transport.usecases import UseCases

_Accept = Annotated[
    str,
    Header(description=f"`{SSE}` answers with server-sent events, else there is a line of JSON for each event."),
]

_LastEvent = Annotated[str, Header(description="As `cursor`: browsers send the `id` of the last server-sent event.")]


def create_router(usecases: UseCases, *, observer: CallObserver) -> APIRouter:
    """Create the route of generations."""
    router = APIRouter()

    @router.post(
        f"{UPLOAD_PATH}/{{image_id}}:generate",
        summary="Find everything in an image",
        response_class=Response,
        openapi_extra=json_body(GenerateRequest),
        responses={200: {"content": _content(), "description": "What is found, while the work goes on."}},
    )
    async def generate(
        request: Request,
        image_id: ImageIdPath,
        asked: Asked,
        accept: _Accept = NDJSON,
        last_event_id: _LastEvent = "",
    ) -> Response:
        """Prompt an image with a grid of points, and stream the masks that pass the filters and are no duplicates.

        The last event is the summary, or an error.
        """

        async def serve(events: Events) -> None:
            async with observer.call(PROTOCOL, "GenerateMasks", asked) as call:
                query = GenerateRequest.read(await body_of(request)).to_query(
                    ImageId.parse(image_id), last_event=last_event_id
                )
                await while_listened_to(request.receive, _tell(usecases, query, call, events))

        return EventStream(serve, media_type=SSE if SSE in accept else NDJSON)

    return router


async def _tell(usecases: UseCases, query: GenerationQuery, call: Call, told: Events) -> None:
    async with aclosing(usecases.generate_masks(query, call=call)) as events:
        async for event in events:
            await told.tell(*event_of(event), id_=str(event.cursor))


def _content() -> dict[str, Any]:
    events = (MaskEvent, WithdrawnEvent, ProgressEvent, SummaryEvent, ErrorResponse)
    return {key: {"schema": {"oneOf": [schema_of(event) for event in events]}} for key in (NDJSON, SSE)}
