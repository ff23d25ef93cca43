"""What is served."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path

from maskgate.transport.rest.routes.requests import PROTOCOL, Asked
from maskgate.transport.rest.schemas.models import ListModelsResponse, Model

if TYPE_CHECKING:
    from maskgate.transport.calls import CallObserver
    from maskgate.transport.usecases import UseCases

_PATH = "/v1/models"


def create_router(usecases: UseCases, *, observer: CallObserver) -> APIRouter:
    """Create the routes of models."""
    router = APIRouter()

    @router.get(_PATH, summary="List the models")
    async def list_models(asked: Asked) -> ListModelsResponse:
        """List the models, the default one first; one that does not answer is listed all the same."""
        async with observer.call(PROTOCOL, "ListModels", asked):
            return ListModelsResponse.of(await usecases.list_models())

    @router.get(f"{_PATH}/{{name}}", summary="Describe a model")
    async def get_model(name: Annotated[str, Path(description="Its name.")], asked: Asked) -> Model:
        """Describe one model; 404 where it is not served."""
        async with observer.call(PROTOCOL, "GetModel", asked):
            return Model.of(await usecases.get_model(name))

    return router
