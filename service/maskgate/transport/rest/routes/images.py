"""Uploading images, looking them up and deleting them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from maskgate.domain.errors import InvalidImage, InvalidRequest
from maskgate.domain.image import ImageId
from maskgate.transport.rest.limits import UPLOAD_PATH, is_form
from maskgate.transport.rest.routes.requests import PROTOCOL, Asked, ImageIdPath, body_of, json_body
from maskgate.transport.rest.schemas.images import CheckImagesRequest, CheckImagesResponse, Image

if TYPE_CHECKING:
    from maskgate.transport.calls import CallObserver
    from maskgate.transport.usecases import UseCases

_FILE = {"type": "string", "format": "binary"}
_UPLOAD_BODY = {
    "required": True,
    "content": {
        "application/octet-stream": {"schema": _FILE},
        "image/*": {"schema": _FILE},
        "multipart/form-data": {"schema": {"type": "object", "properties": {"file": _FILE}, "required": ["file"]}},
    },
}


def create_router(usecases: UseCases, *, observer: CallObserver) -> APIRouter:
    """Create the routes of images."""
    router = APIRouter()
    _add_upload(router, usecases, observer=observer)
    _add_lookup(router, usecases, observer=observer)
    _add_check(router, usecases, observer=observer)
    _add_delete(router, usecases, observer=observer)
    return router


def _add_upload(router: APIRouter, usecases: UseCases, *, observer: CallObserver) -> None:
    @router.post(UPLOAD_PATH, status_code=201, summary="Upload an image", openapi_extra={"requestBody": _UPLOAD_BODY})
    async def upload_image(request: Request, response: Response, asked: Asked) -> Image:
        """Keep an image: the file as the body, or as the first file of a form (`curl -F file=@photo.jpg`)."""
        async with observer.call(PROTOCOL, "UploadImage", asked) as call:
            info = await usecases.upload_image(await _read_upload(request), call=call)
        response.headers["Location"] = f"{UPLOAD_PATH}/{info.image_id}"
        return Image.of(info)


def _add_lookup(router: APIRouter, usecases: UseCases, *, observer: CallObserver) -> None:
    @router.get(f"{UPLOAD_PATH}/{{image_id}}", summary="Look an image up")
    @router.head(f"{UPLOAD_PATH}/{{image_id}}", summary="Ask whether an image is kept")
    async def get_image(image_id: ImageIdPath, asked: Asked) -> Image:
        """Tell what is known of an image; 404 where it is not kept."""
        async with observer.call(PROTOCOL, "GetImage", asked) as call:
            return Image.of(await usecases.get_image(ImageId.parse(image_id), call=call))


def _add_check(router: APIRouter, usecases: UseCases, *, observer: CallObserver) -> None:
    @router.post(
        f"{UPLOAD_PATH}:check",
        summary="Ask which images are kept",
        response_model=CheckImagesResponse,
        openapi_extra=json_body(CheckImagesRequest),
    )
    async def check_images(request: Request, asked: Asked) -> CheckImagesResponse:
        """Tell which of many images need not be uploaded."""
        async with observer.call(PROTOCOL, "CheckImages", asked) as call:
            body = CheckImagesRequest.read(await body_of(request))
            return CheckImagesResponse.of(await usecases.check_images(body.image_ids, call=call))


def _add_delete(router: APIRouter, usecases: UseCases, *, observer: CallObserver) -> None:
    @router.delete(f"{UPLOAD_PATH}/{{image_id}}", status_code=204, summary="Delete an image")
    async def delete_image(image_id: ImageIdPath, asked: Asked) -> None:
        """Forget an image and its embeddings; what is not there is deleted as well."""
        async with observer.call(PROTOCOL, "DeleteImage", asked) as call:
            await usecases.delete_image(ImageId.parse(image_id), call=call)


async def _read_upload(request: Request) -> bytes:
    try:
        return await _content(request)
    except HTTPException as error:
        raise InvalidRequest(f"The form cannot be read: {error.detail}") from error


async def _content(request: Request) -> bytes:
    if not is_form(request.headers):
        return await body_of(request)
    async with request.form() as form:
        for _, part in form.multi_items():
            if isinstance(part, UploadFile):
                return await part.read()
    raise InvalidImage("The form holds no file.")
