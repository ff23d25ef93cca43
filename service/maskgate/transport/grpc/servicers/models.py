"""The methods of ModelService: convert, call, convert."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskgate.transport.grpc._pb import models_pb2 as pb
from maskgate.transport.grpc._pb.models_pb2_grpc import ModelServiceServicer
from maskgate.transport.grpc.converters.models import from_model

if TYPE_CHECKING:
    from maskgate.domain.call import Call
    from maskgate.transport.usecases import UseCases


class ModelServicer(ModelServiceServicer):
    """Raises domain errors; the interceptor turns them into statuses."""

    def __init__(self, usecases: UseCases) -> None:
        self._usecases = usecases

    async def ListModels(  # noqa: N802 - the name of the method in the contract
        self, _request: pb.ListModelsRequest, _call: Call
    ) -> pb.ListModelsResponse:
        """List the models."""
        return pb.ListModelsResponse(models=map(from_model, await self._usecases.list_models()))

    async def GetModel(  # noqa: N802
        self, request: pb.GetModelRequest, _call: Call
    ) -> pb.GetModelResponse:
        """Describe one model."""
        return pb.GetModelResponse(model=from_model(await self._usecases.get_model(request.name)))
