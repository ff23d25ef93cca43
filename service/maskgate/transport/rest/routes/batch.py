"""Segmenting many images by many prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response

from maskgate.transport.rest.limits import BATCH_PATH
from maskgate.transport.rest.routes.answers import server_timing
from maskgate.transport.rest.routes.requests import PROTOCOL, Asked, body_of, json_body
from maskgate.transport.rest.schemas.batches import SegmentBatchRequest, SegmentBatchResponse

if TYPE_CHECKING:
    from maskgate.domain.batch import BatchAnswer
    from maskgate.transport.calls import CallObserver
    from maskgate.transport.usecases import UseCases


def create_router(usecases: UseCases, *, observer: CallObserver) -> APIRouter:
    """Create the route of batches."""
    router = APIRouter()

    @router.post(
        BATCH_PATH,
        summary="Find the masks of many prompts",
        response_model=SegmentBatchResponse,
        openapi_extra=json_body(SegmentBatchRequest),
    )
    async def segment_batch(request: Request, asked: Asked) -> Response:
        """Segment one or many images by many prompts; a part that fails says why, and does not fail the others."""
        async with observer.call(PROTOCOL, "SegmentBatch", asked) as call:
            body = SegmentBatchRequest.read(await body_of(request))
            return _json(await usecases.segment_batch(body.to_query(), call=call))

    return router


def _json(answer: BatchAnswer) -> Response:
    headers = {} if answer.timing is None else {"Server-Timing": server_timing(answer.timing)}
    body = SegmentBatchResponse.of(answer).model_dump_json()
    return Response(body, media_type="application/json", headers=headers)
