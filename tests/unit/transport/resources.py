"""What clients do with images and models beside segmenting, over both protocols; skins.py has the rest."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import grpc
from google.protobuf.json_format import MessageToDict

from maskgate.transport.grpc._pb import images_pb2, models_pb2, segmentation_pb2
from maskgate.transport.grpc._pb.images_pb2_grpc import ImageServiceStub
from maskgate.transport.grpc._pb.models_pb2_grpc import ModelServiceStub
from maskgate.transport.grpc._pb.segmentation_pb2_grpc import SegmentationServiceStub
from maskgate.transport.status import HTTP_STATUS
from tests.unit.transport.skins import (
    FORMATS,
    Answer,
    GrpcSkin,
    RestSkin,
    from_error,
    from_http,
    from_rpc,
    rewrite_mask,
    rewrite_timing,
)

if TYPE_CHECKING:
    from tests.unit.transport.skins import Skin

NO_CONTENT = 204

Source = dict[str, str | bytes]
"""Where an image comes from, by the names of the contract."""

Images = Sequence[tuple[str, Sequence[dict[str, Any]]]]
"""Identifiers, and the prompts of each."""


class Resources(Protocol):
    """A client of one protocol."""

    async def check(self, *image_ids: str) -> Answer: ...

    async def embedding(self, image_id: str, model: str = "") -> Answer:
        """Ask for an embedding; it is base64, as JSON of protobuf writes it."""
        ...

    async def encode(self, *sources: Source, model: str = "") -> list[dict[str, Any]] | Answer:
        """Encode images: what came for each in the order of the request, or why the whole call failed."""
        ...

    async def delete(self, image_id: str) -> Answer: ...

    async def list_models(self) -> Answer: ...

    async def get_model(self, name: str) -> Answer: ...

    async def segment_batch(
        self, images: Images, *, asking: dict[str, Any] | None = None, timeout: float | None = None
    ) -> Answer:
        """Segment images by prompts; these, and what else is asked, as in JSON."""
        ...


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

    async def encode(self, *sources: Source, model: str = "") -> list[dict[str, Any]] | Answer:
        images = [
            {name: b64encode(value).decode() if isinstance(value, bytes) else value for name, value in source.items()}
            for source in sources
        ]
        response = await self._client.post("/v1/images:encode", json={"images": images, "model": model})
        if not response.is_success:
            return from_http(response)
        lines = [json.loads(line) for line in response.text.splitlines()]
        if "index" not in lines[-1]:
            error = lines[-1]["error"]
            return Answer(error["status"], error["reason"], error["message"], error["metadata"])
        for line in lines:
            if line["error"]:
                line["error"]["code"] = line["error"].pop("status")
        lines.sort(key=lambda line: line["index"])
        return [{name: value for name, value in line.items() if value is not None} for line in lines]

    async def delete(self, image_id: str) -> Answer:
        response = await self._client.delete(f"/v1/images/{image_id}")
        return Answer("OK") if response.status_code == NO_CONTENT else from_http(response)

    async def list_models(self) -> Answer:
        return from_http(await self._client.get("/v1/models"))

    async def get_model(self, name: str) -> Answer:
        return from_http(await self._client.get(f"/v1/models/{name}"))

    async def segment_batch(
        self, images: Images, *, asking: dict[str, Any] | None = None, timeout: float | None = None
    ) -> Answer:
        body = {"images": [{"image_id": name, "prompts": list(prompts)} for name, prompts in images]} | (asking or {})
        headers = {} if timeout is None else {"Request-Timeout": str(timeout)}
        content = json.dumps(body).encode()  # NaN included, as other clients write it
        return from_http(await self._client.post("/v1/images:segment", content=content, headers=headers))


class GrpcResources:
    """Messages over HTTP/2."""

    def __init__(self, skin: GrpcSkin) -> None:
        self._images: Any = ImageServiceStub(skin.channel)  # type: ignore[no-untyped-call]
        self._models: Any = ModelServiceStub(skin.channel)  # type: ignore[no-untyped-call]
        self._segmentation: Any = SegmentationServiceStub(skin.channel)  # type: ignore[no-untyped-call]

    async def check(self, *image_ids: str) -> Answer:
        answer = await from_rpc(self._images.CheckImages(images_pb2.CheckImagesRequest(image_ids=image_ids)))
        for image in answer.payload.get("images", ()):
            image["size_bytes"] = int(image["size_bytes"])
        return answer

    async def embedding(self, image_id: str, model: str = "") -> Answer:
        request = images_pb2.GetEmbeddingRequest(image_id=image_id, model=model)
        return await from_rpc(self._images.GetEmbedding(request))

    async def encode(self, *sources: Source, model: str = "") -> list[dict[str, Any]] | Answer:
        images = [images_pb2.ImageSource(**source) for source in sources]  # type: ignore[arg-type] # str or bytes
        request = images_pb2.EncodeImagesRequest(images=images, model=model)
        try:
            lines = [line async for line in self._images.EncodeImages(request)]
        except grpc.aio.AioRpcError as error:
            return from_error(error)
        return [_line(line) for line in sorted(lines, key=lambda line: line.index)]

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

    async def segment_batch(
        self, images: Images, *, asking: dict[str, Any] | None = None, timeout: float | None = None
    ) -> Answer:
        asking = asking or {}
        request = segmentation_pb2.SegmentBatchRequest(model=asking.get("model", ""))
        request.multimask = f"MULTIMASK_{asking.get('multimask', 'auto').upper()}"  # type: ignore[assignment] # its name
        request.coordinates = f"COORDINATE_SPACE_{asking.get('coordinates', 'pixels').upper()}"  # type: ignore[assignment]
        output = asking.get("output", {})
        request.output.formats.extend(FORMATS[form] for form in output.get("formats", ()))
        if "mask_handles" in output:
            request.output.mask_handles = output["mask_handles"]
        for name, prompts in images:
            request.images.add(image_id=name, prompts=[_prompt(**prompt) for prompt in prompts])
        answer = await from_rpc(self._segmentation.SegmentBatch(request, timeout=timeout))
        for part in (answer.payload, *answer.payload.get("images", ())):
            _rewrite_part(part)
        return answer


def of(skin: Skin) -> Resources:
    """The same client, with its other methods."""
    return RestResources(skin) if isinstance(skin, RestSkin) else GrpcResources(_grpc(skin))


def _grpc(skin: Skin) -> GrpcSkin:
    assert isinstance(skin, GrpcSkin)
    return skin


def _line(line: images_pb2.EncodeImagesResponse) -> dict[str, Any]:
    """What came for one image, without what is unset."""
    fields = {"index": line.index} | MessageToDict(line, preserving_proto_field_name=True)
    if tier := fields.get("cache_tier"):
        fields["cache_tier"] = tier.removeprefix("CACHE_TIER_").lower()
    if error := fields.get("error"):
        error.setdefault("metadata", {})
    return fields


def _rewrite_model(model: dict[str, Any]) -> None:
    """Write what is unset as JSON does."""
    if model.get("ready") is False:
        model.update(dict.fromkeys(model.keys() - {"name", "is_default", "ready"}))


def _prompt(
    points: Sequence[dict[str, Any]] = (), box: dict[str, Any] | None = None, mask: dict[str, str] | None = None
) -> segmentation_pb2.Prompt:
    return segmentation_pb2.Prompt(
        points=[segmentation_pb2.Point(**point) for point in points],
        box=box and segmentation_pb2.Box(**box),
        mask=mask and segmentation_pb2.MaskPrompt(**{name: _field(name, text) for name, text in mask.items()}),
    )


def _field(name: str, text: str) -> Any:  # noqa: ANN401 - text or bytes
    return text if name == "mask_handle" else b64decode(text)


def _rewrite_part(part: dict[str, Any]) -> None:
    """Write a batch's answer, or an image's part of it, as JSON does."""
    part.setdefault("timing", None)
    if part["timing"]:
        rewrite_timing(part["timing"])
    if "image_id" in part:
        _rewrite_error(part)
        for prompt in part["prompts"]:
            _rewrite_error(prompt)
            for mask in prompt["masks"]:
                rewrite_mask(mask)


def _rewrite_error(part: dict[str, Any]) -> None:
    error = part.setdefault("error", None)
    if error:
        code = grpc.StatusCode[error.pop("code")]
        part["error"] = {"code": HTTP_STATUS[code], "status": code.name, **error}
