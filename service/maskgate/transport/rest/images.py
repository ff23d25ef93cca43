"""The REST twin of SegmentationService: convert, call, convert."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Header, Path, Request
from fastapi.responses import Response
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from maskgate.domain.errors import InvalidImage, InvalidRequest
from maskgate.domain.image import IMAGE_ID_PATTERN, ImageId
from maskgate.domain.prompt import Multimask
from maskgate.transport.rest.errors import DOCUMENTED
from maskgate.transport.rest.limits import UPLOAD_PATH, is_form
from maskgate.transport.rest.schemas import Image, SegmentRequest, SegmentResponse

if TYPE_CHECKING:
    from maskgate.domain.timing import Timing
    from maskgate.ports import MaskEncoder
    from maskgate.transport.calls import CallObserver
    from maskgate.transport.usecases import UseCases
    from maskgate.usecases.segment import Segmentation

_PROTOCOL = "rest"
_ImageIdPath = Annotated[
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
_Accept = Annotated[
    str, Header(description="`image/png` answers with the best mask as a PNG, anything else with JSON.")
]


def create_router(usecases: UseCases, *, observer: CallObserver) -> APIRouter:
    """Create the routes under /v1."""
    router = APIRouter(responses=DOCUMENTED, tags=["segmentation"])
    _add_upload(router, usecases, observer=observer)
    _add_lookup(router, usecases, observer=observer)
    _add_segment(router, usecases, observer=observer)
    return router


def _add_upload(router: APIRouter, usecases: UseCases, *, observer: CallObserver) -> None:
    @router.post(UPLOAD_PATH, status_code=201, summary="Upload an image", openapi_extra={"requestBody": _UPLOAD_BODY})
    async def upload_image(request: Request, response: Response, timeout: _Timeout = None) -> Image:
        """Keep an image: the file as the body, or as the first file of a form (`curl -F file=@photo.jpg`)."""
        async with observer.call(_PROTOCOL, "UploadImage", deadline=timeout):
            info = await usecases.upload_image(await _read_upload(request))
        response.headers["Location"] = f"{UPLOAD_PATH}/{info.image_id}"
        return Image.of(info)


def _add_lookup(router: APIRouter, usecases: UseCases, *, observer: CallObserver) -> None:
    @router.get(f"{UPLOAD_PATH}/{{image_id}}", summary="Look an image up")
    @router.head(f"{UPLOAD_PATH}/{{image_id}}", summary="Ask whether an image is kept")
    async def get_image(image_id: _ImageIdPath, timeout: _Timeout = None) -> Image:
        """Tell what is known of an image; 404 where it is not kept."""
        async with observer.call(_PROTOCOL, "GetImage", deadline=timeout):
            return Image.of(await usecases.get_image(ImageId.parse(image_id)))


def _add_segment(router: APIRouter, usecases: UseCases, *, observer: CallObserver) -> None:
    @router.post(
        f"{UPLOAD_PATH}/{{image_id}}:segment",
        summary="Find the masks that a prompt means",
        response_model=SegmentResponse,
        openapi_extra={"requestBody": _segment_body()},
        responses={200: {"content": {"image/png": {}}, "description": "Masks, or the best one as PNG."}},
    )
    async def segment(
        request: Request, image_id: _ImageIdPath, accept: _Accept = "application/json", timeout: _Timeout = None
    ) -> Response:
        """Segment an image by points, by a box, or both."""
        async with observer.call(_PROTOCOL, "Segment", deadline=timeout):
            body = SegmentRequest.read(await _body(request))
            segmentation = await usecases.segment(
                ImageId.parse(image_id), body.to_prompt(), multimask=Multimask(body.multimask), model=body.model
            )
            if "image/png" in accept:
                return await usecases.offload(lambda: _png(usecases.mask_encoder, segmentation))
            return _json(segmentation)


_FILE = {"type": "string", "format": "binary"}
_UPLOAD_BODY = {
    "required": True,
    "content": {
        "application/octet-stream": {"schema": _FILE},
        "image/*": {"schema": _FILE},
        "multipart/form-data": {"schema": {"type": "object", "properties": {"file": _FILE}, "required": ["file"]}},
    },
}


def _segment_body() -> dict[str, Any]:
    """Describe the JSON of a prompt, which is read inside the call and not by FastAPI, so that refusals are counted."""
    schema = SegmentRequest.model_json_schema()
    definitions = schema.pop("$defs")
    return {"required": True, "content": {"application/json": {"schema": _inlined(schema, definitions)}}}


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    """Put definitions in the place of references to them, which an OpenAPI document would look for elsewhere."""
    if isinstance(schema, list):
        return [_inlined(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(definitions[schema["$ref"].rsplit("/", 1)[1]], definitions)
    return {key: _inlined(part, definitions) for key, part in schema.items()}


async def _read_upload(request: Request) -> bytes:
    try:
        return await _content(request)
    except HTTPException as error:
        raise InvalidRequest(f"The form cannot be read: {error.detail}") from error


async def _content(request: Request) -> bytes:
    if not is_form(request.headers):
        return await _body(request)
    async with request.form() as form:
        for _, part in form.multi_items():
            if isinstance(part, UploadFile):
                return await part.read()
    raise InvalidImage("The form holds no file.")


async def _body(request: Request) -> bytes:
    try:
        return await request.body()
    except ClientDisconnect as error:
        raise InvalidRequest("The client left before its request was complete.") from error


def _json(segmentation: Segmentation) -> Response:
    body = SegmentResponse.of(segmentation).model_dump_json()
    return Response(body, media_type="application/json", headers=_headers(segmentation))


def _png(encoder: MaskEncoder, segmentation: Segmentation) -> Response:
    best = segmentation.masks[0]
    headers = _headers(segmentation) | {"X-Predicted-IoU": f"{best.predicted_iou:.4f}"}
    return Response(encoder.png(best.rle.decode()), media_type="image/png", headers=headers)


def _headers(segmentation: Segmentation) -> dict[str, str]:
    return {"Vary": "Accept", "Server-Timing": _server_timing(segmentation.timing)}


def _server_timing(timing: Timing) -> str:
    """Write the timing as browsers show it (W3C Server Timing)."""
    spans = {"queue": timing.queue, "encode": timing.encode, "decode": timing.decode, "total": timing.total}
    parts = [f"{name};dur={seconds * 1e3:.2f}" for name, seconds in spans.items()]
    return ", ".join([f'cache;desc="{timing.cache_tier.value}"', *parts])
