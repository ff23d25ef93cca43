"""Domain errors as HTTP answers."""

from __future__ import annotations

from http import HTTPStatus
from math import ceil
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from grpc import StatusCode
from starlette.exceptions import HTTPException

from maskgate.domain.errors import InvalidRequest, MaskgateError
from maskgate.transport import status
from maskgate.transport.rest.schemas.errors import ErrorDetail, ErrorResponse

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

DOCUMENTED: dict[int | str, dict[str, Any]] = {
    http: {"model": ErrorResponse, "description": code.name}
    for code, http in status.HTTP_STATUS.items()
    if code not in (StatusCode.OK, StatusCode.CANCELLED)
}
"""The error answers, for OpenAPI."""


def install(app: FastAPI) -> None:
    """Make the app answer with our errors, whoever raises them."""

    @app.exception_handler(MaskgateError)
    async def _ours(_request: Request, error: MaskgateError) -> JSONResponse:
        return answer_to(error)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        return answer_to(_invalid_request(error))

    @app.exception_handler(HTTPException)
    async def _starlette(_request: Request, error: HTTPException) -> JSONResponse:
        name = HTTPStatus(error.status_code).name
        detail = ErrorDetail(code=error.status_code, status=name, reason=name, message=str(error.detail), metadata={})
        return _json(detail, dict(error.headers or {}))

    @app.exception_handler(Exception)
    async def _unknown(_request: Request, _error: Exception) -> JSONResponse:
        return _json(ErrorDetail.of(status.internal()), {})


def answer_to(error: MaskgateError) -> JSONResponse:
    """Write an error of ours."""
    told = status.told(error)
    return _json(ErrorDetail.of(told), _headers(told))


def _headers(told: status.Told) -> dict[str, str]:
    """Say what to do about it in HTTP's own words, too: when to come again, and how to say who calls."""
    if told.code is StatusCode.UNAUTHENTICATED:
        return {"WWW-Authenticate": "Bearer"}
    return {} if told.retry_after is None else {"Retry-After": str(ceil(told.retry_after))}


def _invalid_request(error: RequestValidationError) -> InvalidRequest:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part != "body")
    return InvalidRequest(f"{where or 'body'}: {first['msg']}.", field=where or "body")


def _json(detail: ErrorDetail, headers: dict[str, str]) -> JSONResponse:
    return JSONResponse(ErrorResponse(error=detail).model_dump(), status_code=detail.code, headers=headers)
