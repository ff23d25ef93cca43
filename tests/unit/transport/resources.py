"""What clients do with images and models beside segmenting, over both protocols; skins.py has the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from maskgate.transport.grpc._pb import models_pb2
from maskgate.transport.grpc._pb.models_pb2_grpc import ModelServiceStub
from tests.unit.transport.skins import GrpcSkin, RestSkin, from_http, from_rpc

if TYPE_CHECKING:
    from tests.unit.transport.skins import Answer, Skin


class Resources(Protocol):
    """A client of one protocol."""

    async def list_models(self) -> Answer: ...

    async def get_model(self, name: str) -> Answer: ...


class RestResources:
    """JSON over HTTP."""

    def __init__(self, skin: RestSkin) -> None:
        self._client = skin.client

    async def list_models(self) -> Answer:
        return from_http(await self._client.get("/v1/models"))

    async def get_model(self, name: str) -> Answer:
        return from_http(await self._client.get(f"/v1/models/{name}"))


class GrpcResources:
    """Messages over HTTP/2."""

    def __init__(self, skin: GrpcSkin) -> None:
        self._models: Any = ModelServiceStub(skin.channel)  # type: ignore[no-untyped-call]

    async def list_models(self) -> Answer:
        answer = await from_rpc(self._models.ListModels(models_pb2.ListModelsRequest()))
        for model in answer.payload.get("models", ()):
            _rewrite_model(model)
        return answer

    async def get_model(self, name: str) -> Answer:
        answer = await from_rpc(self._models.GetModel(models_pb2.GetModelRequest(name=name)), part="model")
        _rewrite_model(answer.payload)
        return answer


def of(skin: Skin) -> Resources:
    """The same client, with its other methods."""
    return RestResources(skin) if isinstance(skin, RestSkin) else GrpcResources(_grpc(skin))


def _grpc(skin: Skin) -> GrpcSkin:
    assert isinstance(skin, GrpcSkin)
    return skin


def _rewrite_model(model: dict[str, Any]) -> None:
    """Write what is unset as JSON does."""
    if model.get("ready") is False:
        model.update(dict.fromkeys(model.keys() - {"name", "is_default", "ready"}))
