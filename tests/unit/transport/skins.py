"""Both protocols behind one interface, so that one suite holds them to the same behaviour."""

from __future__ import annotations

import json
from base64 import b64encode
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import grpc
import httpx
from google.protobuf.json_format import MessageToDict
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from maskgate.transport.exposition import exposition_of
from maskgate.transport.grpc._pb import segmentation_pb2 as pb
from maskgate.transport.grpc._pb.segmentation_pb2_grpc import SegmentationServiceStub
from maskgate.transport.grpc.server import GrpcBounds, create_server
from maskgate.transport.rest.app import RestBounds, create_app
from tests.unit.transport.world import SETTINGS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from fastapi import FastAPI
    from google.protobuf.message import Message

    from maskgate.domain.prompt import Box, Point
    from tests.unit.transport.world import World

SERVICE = "maskgate.v1.SegmentationService"
BOUNDS = GrpcBounds(max_message_bytes=4 * SETTINGS.max_upload_bytes, max_concurrent_calls=100)


@dataclass(frozen=True)
class Answer:
    """What a client learns, whatever the protocol.

    Attributes:
        code: Canonical code, "OK" included.
        reason: Machine-readable reason of an error.
        domain: Who gave the reason (gRPC only; REST has one domain).
        message: For people.
        metadata: Variable parts of the message.
        retry_after: Seconds to wait before trying again.
        payload: Fields of the answer, by the names of the contract.
    """

    code: str
    reason: str = ""
    message: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    retry_after: float | None = None
    payload: dict[str, Any] = field(default_factory=dict)

    @property
    def refusal(self) -> tuple[str, str]:
        return self.code, self.reason


@dataclass(frozen=True)
class Output:
    """Which forms of masks a client asks for, by their names over REST."""

    formats: tuple[str, ...] = ()
    polygon_tolerance: float = 0.0
    polygon_min_area: int = 0
    mask_handles: bool | None = None


@dataclass(frozen=True)
class MaskPrompt:
    """A mask to start from, as clients send it; what is None is not sent."""

    png: bytes | None = None
    logits: bytes | None = None
    mask_handle: str | None = None

    def as_json(self) -> dict[str, str]:
        """What is sent over REST."""
        sent = {"png": self.png, "logits": self.logits}
        encoded = {name: b64encode(data).decode() for name, data in sent.items() if data is not None}
        return encoded if self.mask_handle is None else {**encoded, "mask_handle": self.mask_handle}


FORMATS = {
    "": pb.MASK_FORMAT_UNSPECIFIED,
    "rle": pb.MASK_FORMAT_COCO_RLE,
    "png": pb.MASK_FORMAT_PNG,
    "cropped_png": pb.MASK_FORMAT_CROPPED_PNG,
    "polygons": pb.MASK_FORMAT_POLYGONS,
    "low_res_logits": pb.MASK_FORMAT_LOW_RES_LOGITS,
}


_COORDINATES = {"pixels": pb.COORDINATE_SPACE_PIXELS, "normalized": pb.COORDINATE_SPACE_NORMALIZED}


class Skin(Protocol):
    """A client of one protocol."""

    name: str

    async def upload(self, content: bytes) -> Answer: ...

    async def get(self, image_id: str) -> Answer: ...

    async def segment(
        self,
        image_id: str,
        *points: Point,
        box: Box | None = None,
        multimask: str = "auto",
        model: str = "",
        output: Output | None = None,
        mask: MaskPrompt | None = None,
        coordinates: str | None = None,
        timeout: float | None = None,
    ) -> Answer: ...

    async def send_garbage(self, image_id: str) -> Answer:
        """Ask to segment with bytes that are no request."""
        ...


class RestSkin:
    """JSON over HTTP, in process."""

    name = "rest"

    def __init__(self, client: httpx.AsyncClient, app: FastAPI) -> None:
        self.app = app
        self.client = client

    async def upload(self, content: bytes) -> Answer:
        return from_http(await self.client.post("/v1/images", content=content))

    async def get(self, image_id: str) -> Answer:
        return from_http(await self.client.get(f"/v1/images/{image_id}"))

    async def segment(
        self,
        image_id: str,
        *points: Point,
        box: Box | None = None,
        multimask: str = "auto",
        model: str = "",
        output: Output | None = None,
        mask: MaskPrompt | None = None,
        coordinates: str | None = None,
        timeout: float | None = None,
    ) -> Answer:
        body: dict[str, Any] = {
            "points": [asdict(point) for point in points],
            "box": box and asdict(box),
            "multimask": multimask,
            "model": model,
        }
        if mask is not None:
            body["mask"] = mask.as_json()
        if coordinates is not None:
            body["coordinates"] = coordinates
        if output is not None:
            body["output"] = asdict(output)
        headers = {} if timeout is None else {"Request-Timeout": str(timeout)}
        return await self.send(image_id, body, headers)

    async def send(self, image_id: str, body: object, headers: dict[str, str] | None = None) -> Answer:
        # Not httpx's json=, which refuses NaN and infinity: other clients do not.
        content = _json_with_nan(body)
        return await self.send_bytes(image_id, content, headers)

    async def send_bytes(self, image_id: str, content: bytes, headers: dict[str, str] | None = None) -> Answer:
        headers = {"Content-Type": "application/json"} | (headers or {})
        return from_http(await self.client.post(f"/v1/images/{image_id}:segment", content=content, headers=headers))

    async def send_garbage(self, image_id: str) -> Answer:
        return await self.send_bytes(image_id, b'{"points": [{"x": 1, ')


class GrpcSkin:
    """Messages over HTTP/2, through a real server."""

    name = "grpc"

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self._stub: Any = SegmentationServiceStub(channel)  # type: ignore[no-untyped-call]

    async def upload(self, content: bytes) -> Answer:
        return await from_rpc(self._stub.UploadImage(pb.UploadImageRequest(content=content)), part="image")

    async def get(self, image_id: str) -> Answer:
        return await from_rpc(self._stub.GetImage(pb.GetImageRequest(image_id=image_id)), part="image")

    async def segment(
        self,
        image_id: str,
        *points: Point,
        box: Box | None = None,
        multimask: str = "auto",
        model: str = "",
        output: Output | None = None,
        mask: MaskPrompt | None = None,
        coordinates: str | None = None,
        timeout: float | None = None,
    ) -> Answer:
        request = pb.SegmentRequest(
            image_id=image_id,
            points=[pb.Point(x=point.x, y=point.y, label=point.label) for point in points],
            box=None if box is None else pb.Box(x1=box.x1, y1=box.y1, x2=box.x2, y2=box.y2),
            multimask=f"MULTIMASK_{multimask.upper()}",
            model=model,
            mask=None if mask is None else pb.MaskPrompt(**asdict(mask)),
            coordinates=None if coordinates is None else _COORDINATES.get(coordinates, 99),  # type: ignore[arg-type] # a newer client's
            output=None if output is None else _output(output),
        )
        return await self.send(request, timeout=timeout)

    async def send(self, request: pb.SegmentRequest, *, timeout: float | None = None) -> Answer:
        return await from_rpc(self._stub.Segment(request, timeout=timeout))

    async def send_garbage(self, image_id: str) -> Answer:
        method: Any = self.channel.unary_unary(f"/{SERVICE}/Segment")
        return await from_rpc(method(b"\x0a\xff\xff" + image_id.encode()))


def create_rest_app(world: World) -> FastAPI:
    """The app over what stands behind it."""
    return create_app(
        world.usecases,
        streams=world.streams,
        observer=world.observer,
        health=world.health,
        exposition=exposition_of(world.registry),
        bounds=RestBounds(SETTINGS.max_upload_bytes, world.hosts),
    )


@asynccontextmanager
async def open_rest(world: World, key: str = "") -> AsyncIterator[RestSkin]:
    """Open a client that sends an API key, if it has one."""
    app = create_rest_app(world)
    # What a server does with errors that reach it: the app has answered already.
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers) as client:
        yield RestSkin(client, app)


async def start_grpc(world: World) -> tuple[grpc.aio.Server, int]:
    """Start a server; tells its port."""
    server = await create_server(
        world.usecases, streams=world.streams, observer=world.observer, health_state=world.health, bounds=BOUNDS
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    return server, port


@asynccontextmanager
async def open_grpc(world: World, key: str = "") -> AsyncIterator[GrpcSkin]:
    """Open a client that sends an API key, if it has one."""
    server, port = await start_grpc(world)
    try:
        options = (("grpc.enable_http_proxy", 0),)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
            yield GrpcSkin(_Keyed(channel, key) if key else channel)  # type: ignore[arg-type] # it does what one does
    finally:
        await server.stop(grace=None)


class _Keyed:
    """A channel whose calls all carry an API key."""

    def __init__(self, channel: grpc.aio.Channel, key: str) -> None:
        self._channel = channel
        self._metadata = (("authorization", f"Bearer {key}"),)

    def __getattr__(self, shape: str) -> Callable[..., Callable[..., Any]]:
        return lambda *asked, **options: partial(
            getattr(self._channel, shape)(*asked, **options), metadata=self._metadata
        )


SKINS: dict[str, Callable[..., AbstractAsyncContextManager[Skin]]] = {"grpc": open_grpc, "rest": open_rest}


def from_http(response: httpx.Response) -> Answer:
    """Read an answer of HTTP."""
    body = response.json()
    if response.is_success:
        return Answer("OK", payload=body)
    error = body["error"]
    assert response.status_code == error["code"]
    retry = response.headers.get("Retry-After")
    return Answer(
        error["status"], error["reason"], error["message"], error["metadata"], None if retry is None else int(retry)
    )


async def from_rpc(call: Awaitable[Message], *, part: str | None = None) -> Answer:
    """Read an answer of gRPC, or the one part that it consists of."""
    try:
        response = await call
    except grpc.aio.AioRpcError as error:
        return from_error(error)
    return Answer("OK", payload=_payload(response if part is None else getattr(response, part)))


def from_error(error: grpc.aio.AioRpcError) -> Answer:
    """Read why a call of gRPC failed."""
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    rich = rpc_status.from_call(error)
    unpacked = [detail.Unpack(info) or detail.Unpack(retry) for detail in (rich.details if rich else ())]
    assert all(unpacked)
    assert info.domain in ("", "maskgate")
    delay = retry.retry_delay.ToMilliseconds() / 1000 if retry.HasField("retry_delay") else None
    return Answer(error.code().name, info.reason, error.details() or "", dict(info.metadata), delay)


def _payload(message: Message) -> dict[str, Any]:
    """The fields of a message as REST writes them."""
    fields = MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    if "size_bytes" in fields:  # JSON of protobuf writes 64-bit integers as text
        fields["size_bytes"] = int(fields["size_bytes"])
    for mask in fields.get("masks", ()):
        rewrite_mask(mask)
    if "timing" in fields:
        rewrite_timing(fields["timing"])
    return fields


def rewrite_timing(timing: dict[str, Any]) -> None:
    """Write a timing as JSON does."""
    timing["cache_tier"] = timing["cache_tier"].removeprefix("CACHE_TIER_").lower()


def rewrite_mask(mask: dict[str, Any]) -> None:
    """Write a mask as JSON does."""
    mask["area"] = int(mask["area"])
    for form in ("box", "rle", "cropped_png", "low_res_logits"):
        mask.setdefault(form, None)
    mask["png"] = mask["png"] or None
    mask["mask_handle"] = mask["mask_handle"] or None
    mask["polygons"] = [_polygon(polygon) for polygon in mask["polygons"]] or None
    if rle := mask["rle"]:
        mask["rle"] = {"size": [rle["height"], rle["width"]], "counts": rle["counts"]}


def _polygon(polygon: dict[str, Any]) -> dict[str, Any]:
    holes = [hole["xy"] for hole in polygon["holes"]]
    return {"exterior": polygon["exterior"]["xy"], "holes": holes, "area": int(polygon["area"])}


def _output(output: Output) -> pb.MaskOutput:
    return pb.MaskOutput(
        formats=[FORMATS.get(form, 99) for form in output.formats],  # type: ignore[misc] # a newer client's
        polygon_tolerance=output.polygon_tolerance,
        polygon_min_area=output.polygon_min_area,
        mask_handles=output.mask_handles,
    )


def _json_with_nan(body: object) -> bytes:
    return json.dumps(body).encode()
