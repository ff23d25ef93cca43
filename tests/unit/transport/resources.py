"""What clients do with images and models beside segmenting, over both protocols; skins.py has the rest."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any, Protocol

from maskgate.transport.grpc._pb import images_pb2, models_pb2
from maskgate.transport.grpc._pb.images_pb2_grpc import ImageServiceStub
from maskgate.transport.grpc._pb.models_pb2_grpc import ModelServiceStub
from tests.unit.transport.skins import Answer, GrpcSkin, RestSkin, from_http, from_rpc

if TYPE_CHECKING:
    from tests.unit.transport.skins import Skin

NO_CONTENT = 204


class Resources(Protocol):
    """A client of one protocol."""

    async def check(self, *image_ids: str) -> Answer: ...

    async def embedding(self, image_id: str, model: str = "") -> Answer:
        """Ask for an embedding; it is base64, as JSON of protobuf writes it."""
        ...

    async def delete(self, image_id: str) -> Answer: ...

    async def list_models(self) -> Answer: ...

    async def get_model(self, name: str) -> Answer: ...


class RestResources:
    """JSON over HTTP."""

    def __init__(self, skin: RestSkin) -> None:
        self._client = skin.client

    async def check(self, *image_ids: str) -> Answer:
        return from_http(await self._client.post("/v1/images:check", json={"image_ids": image_ids}))

    async def embedding(self, image_id: str, model: str = "") -> Answer:
        response = await self._client.get(f"/v1/images/{image_id}/embedding", params={"model": model})
        if not response.is_success:
            return from_http(response)
        image, described = (json.loads(response.headers[f"X-Maskgate-{name}"]) for name in ("Image", "Model"))
        return Answer("OK", payload=image | {"model": described, "embedding": b64encode(response.content).decode()})

    async def delete(self, image_id: str) -> Answer:
        response = await self._client.delete(f"/v1/images/{image_id}")
        return Answer("OK") if response.status_code == NO_CONTENT else from_http(response)

    async def list_models(self) -> Answer:
        return from_http(await self._client.get("/v1/models"))

    async def get_model(self, name: str) -> Answer:
        return from_http(await self._client.get(f"/v1/models/{name}"))


class GrpcResources:
    """Messages over HTTP/2."""

    def __init__(self, skin: GrpcSkin) -> None:
        self._images: Any = ImageServiceStub(skin.channel)  # type: ignore[no-untyped-call]
        self._models: Any = ModelServiceStub(skin.channel)  # type: ignore[no-untyped-call]

    async def check(self, *image_ids: str) -> Answer:
        answer = await from_rpc(self._images.CheckImages(images_pb2.CheckImagesRequest(image_ids=image_ids)))
        for image in answer.payload.get("images", ()):
            image["size_bytes"] = int(image["size_bytes"])
        return answer

    async def embedding(self, image_id: str, model: str = "") -> Answer:
        request = images_pb2.GetEmbeddingRequest(image_id=image_id, model=model)
        return await from_rpc(self._images.GetEmbedding(request))

    async def delete(self, image_id: str) -> Answer:
        return await from_rpc(self._images.DeleteImage(images_pb2.DeleteImageRequest(image_id=image_id)))

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
