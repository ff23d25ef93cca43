"""Segmenting an image."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Header, Request, Response

from maskgate.domain.image import ImageId
from maskgate.domain.output import MaskFormat, MaskOutput
from maskgate.transport.rest.limits import UPLOAD_PATH
from maskgate.transport.rest.routes.answers import server_timing
from maskgate.transport.rest.routes.requests import PROTOCOL, Asked, ImageIdPath, body_of, json_body
from maskgate.transport.rest.schemas.masks import SegmentResponse
from maskgate.transport.rest.schemas.prompts import SegmentRequest

if TYPE_CHECKING:
    from maskgate.domain.query import SegmentQuery
    from maskgate.transport.calls import CallObserver
    from maskgate.transport.usecases import UseCases
    from maskgate.usecases.segment import Segmentation

_Accept = Annotated[
    str,
    Header(
        description="`image/png` answers with the best mask as a PNG, whatever forms `output` names, and with its "
        "handle and scores in headers; else with JSON."
    ),
]


def create_router(usecases: UseCases, *, observer: CallObserver) -> APIRouter:
    """Create the route of prompts."""
    router = APIRouter()

    @router.post(
        f"{UPLOAD_PATH}/{{image_id}}:segment",
        summary="Find the masks that a prompt means",
        response_model=SegmentResponse,
        openapi_extra=json_body(SegmentRequest),
        responses={200: {"content": {"image/png": {}}, "description": "Masks, or the best one as PNG."}},
    )
    async def segment(
        request: Request, image_id: ImageIdPath, asked: Asked, accept: _Accept = "application/json"
    ) -> Response:
        """Segment an image by points, by a box, or both."""
        async with observer.call(PROTOCOL, "Segment", asked) as call:
            body = SegmentRequest.read(await body_of(request))
            query = body.to_query(ImageId.parse(image_id))
            if "image/png" in accept:
                return _png(await usecases.segment(_best_as_png(query), call=call))
            return _json(await usecases.segment(query, call=call))

    return router


def _best_as_png(query: SegmentQuery) -> SegmentQuery:
    output = MaskOutput(frozenset({MaskFormat.PNG}), best_alone=True, handles=query.output.handles)
    return replace(query, output=output)


def _json(segmentation: Segmentation) -> Response:
    body = SegmentResponse.of(segmentation).model_dump_json()
    return Response(body, media_type="application/json", headers=_headers(segmentation))


def _png(segmentation: Segmentation) -> Response:
    best = segmentation.masks[0]
    told = {"X-Predicted-IoU": f"{best.predicted_iou:.4f}", "X-Stability-Score": f"{best.stability_score:.4f}"}
    if best.handle is not None:
        told["X-Mask-Handle"] = best.handle.text
    return Response(best.png, media_type="image/png", headers=_headers(segmentation) | told)


def _headers(segmentation: Segmentation) -> dict[str, str]:
    return {"Vary": "Accept", "Server-Timing": server_timing(segmentation.timing)}
