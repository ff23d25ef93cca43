"""Asking for everything, over both protocols."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.json_format import MessageToDict

from maskgate.transport.grpc._pb import generation_pb2 as pb
from maskgate.transport.grpc._pb.generation_pb2_grpc import GenerationServiceStub
from tests.unit.transport.skins import GrpcSkin, RestSkin, from_error, from_http, rewrite_mask, rewrite_timing

if TYPE_CHECKING:
    from tests.unit.transport.skins import Skin


@dataclass
class Told:
    """What a client was told: events by their names, as REST writes them, then how it ended."""

    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    code: str = "OK"
    reason: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    cursors: list[str] = field(default_factory=list)

    def of(self, name: str) -> list[dict[str, Any]]:
        return [event for other, event in self.events if other == name]

    @property
    def refusal(self) -> tuple[str, str]:
        return self.code, self.reason


async def generate(skin: Skin, image_id: str, *, timeout: float | None = None, **fields: Any) -> Told:  # noqa: ANN401 - as JSON has them
    """Ask; fields are those of REST."""
    if isinstance(skin, RestSkin):
        return await _over_rest(skin, image_id, timeout, fields)
    assert isinstance(skin, GrpcSkin)
    return await _over_grpc(skin, image_id, timeout, fields)


async def _over_rest(skin: RestSkin, image_id: str, timeout: float | None, fields: dict[str, Any]) -> Told:
    headers = {} if timeout is None else {"Request-Timeout": str(timeout)}
    response = await skin.client.post(f"/v1/images/{image_id}:generate", json=fields, headers=headers)
    if not response.is_success:
        answer = from_http(response)
        return Told([], answer.code, answer.reason, answer.metadata)
    assert response.headers["content-type"] == "application/x-ndjson"
    return _told([json.loads(line) for line in response.text.splitlines()])


def _told(lines: list[dict[str, Any]]) -> Told:
    told = Told()
    for line in lines:
        if error := line.get("error"):
            told.code, told.reason, told.metadata = error["status"], error["reason"], error["metadata"]
        else:
            told.cursors.append(line.pop("cursor"))
            told.events += line.items()
    return told


async def _over_grpc(skin: GrpcSkin, image_id: str, timeout: float | None, fields: dict[str, Any]) -> Told:
    told, stub = Told(), GenerationServiceStub(skin.channel)  # type: ignore[no-untyped-call]
    try:
        async for response in stub.GenerateMasks(request_of(image_id, **fields), timeout=timeout):
            told.cursors.append(response.cursor)
            told.events.append(_event(response))
    except grpc.aio.AioRpcError as error:
        answer = from_error(error)
        told.code, told.reason, told.metadata = answer.code, answer.reason, answer.metadata
    return told


def request_of(image_id: str, **fields: Any) -> pb.GenerateMasksRequest:  # noqa: ANN401
    if "delivery" in fields:
        fields["delivery"] = f"DELIVERY_{fields['delivery'].upper()}"
    if "output" in fields:
        fields["output"] = {"formats": [f"MASK_FORMAT_{name.upper()}" for name in fields["output"]["formats"]]}
    return pb.GenerateMasksRequest(image_id=image_id, **fields)


def _event(response: pb.GenerateMasksResponse) -> tuple[str, dict[str, Any]]:
    fields = MessageToDict(response, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    del fields["cursor"]
    ((name, event),) = fields.items()
    if name == "mask":
        rewrite_mask(event["mask"])
    if name == "summary":
        rewrite_timing(event["timing"])
    return name, event
