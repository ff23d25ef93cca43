"""What only gRPC has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from maskgate.domain.image import ImageId
from maskgate.transport.grpc._pb import segmentation_pb2 as pb
from maskgate.transport.grpc.servicers import SERVICES
from tests import pictures
from tests.unit.transport.skins import BOUNDS, SERVICE

if TYPE_CHECKING:
    from tests.unit.transport.skins import GrpcSkin
    from tests.unit.transport.world import World

PHOTO = pictures.png()
PHOTO_ID = str(ImageId.of(PHOTO))
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def serving(skin: GrpcSkin, service: str) -> int:
    stub: Any = health_pb2_grpc.HealthStub(skin.channel)
    response = await stub.Check(health_pb2.HealthCheckRequest(service=service))
    status: int = response.status
    return status


@pytest.mark.parametrize("service", ["", SERVICE])
async def test_health_follows_readiness(over_grpc: GrpcSkin, world: World, service: str) -> None:
    """The server as a whole and our service are SERVING exactly while the gateway is ready."""
    states = [await serving(over_grpc, service)]
    for up in (True, False, True):
        await world.health.report("triton", up=up, required=True)
        states.append(await serving(over_grpc, service))
    await world.health.stop()
    states.append(await serving(over_grpc, service))

    assert [NOT_SERVING, SERVING, NOT_SERVING, SERVING, NOT_SERVING] == states


async def test_reflection_lists_our_services(over_grpc: GrpcSkin) -> None:
    """Tools need no files to call us."""
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(over_grpc.channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")

    (response,) = [response async for response in stub.ServerReflectionInfo(iter([request]))]

    names = {service.name for service in response.list_services_response.service}
    assert SERVICE in SERVICES
    assert {*SERVICES, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"} == names


async def test_labels_may_be_left_out(over_grpc: GrpcSkin, world: World) -> None:
    """A point without a label is on the object, and one with label 0 is not."""
    await over_grpc.upload(PHOTO)

    await over_grpc.send(pb.SegmentRequest(image_id=PHOTO_ID, points=[pb.Point(x=1, y=1), pb.Point(x=2, y=2, label=0)]))

    assert [1, 0, -1] == world.backend.decodes[0].slots.labels[:3].tolist()


async def test_an_enum_of_a_newer_client(over_grpc: GrpcSkin) -> None:
    """A value that this server does not know is refused rather than taken for another."""
    await over_grpc.upload(PHOTO)

    answer = await over_grpc.send(
        pb.SegmentRequest(image_id=PHOTO_ID, points=[pb.Point(x=1, y=1)], multimask=99)  # type: ignore[arg-type]
    )

    assert ("INVALID_ARGUMENT", "INVALID_REQUEST") == answer.refusal
    assert {"field": "multimask", "value": "99"} == answer.metadata


async def test_fields_of_a_newer_client(over_grpc: GrpcSkin) -> None:
    """Fields that this server does not know are passed over, as protobuf has it."""
    await over_grpc.upload(PHOTO)
    known = pb.SegmentRequest(image_id=PHOTO_ID, points=[pb.Point(x=1, y=1)]).SerializeToString()
    method: Any = over_grpc.channel.unary_unary(f"/{SERVICE}/Segment")

    answered = pb.SegmentResponse.FromString(await method(known + b"\xfa\x3f\x03new"))

    assert PHOTO_ID == answered.image_id


async def test_messages_far_over_the_limit(over_grpc: GrpcSkin) -> None:
    """GRPC itself refuses what it is not even to receive."""
    answer = await over_grpc.upload(bytes(BOUNDS.max_message_bytes + 1))

    assert "RESOURCE_EXHAUSTED" == answer.code


async def test_unknown_methods(over_grpc: GrpcSkin) -> None:
    """A method that is not there is UNIMPLEMENTED, as gRPC has it."""
    method: Any = over_grpc.channel.unary_unary(f"/{SERVICE}/EraseImage")

    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await method(b"")

    assert grpc.StatusCode.UNIMPLEMENTED is refusal.value.code()
