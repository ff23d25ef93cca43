"""What a scrape costs: whatever clients send, the series that metrics have are those of the start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import generate_latest

from maskgate.domain.image import ImageId
from maskgate.domain.prompt import Point
from maskgate.transport.grpc._pb import segmentation_pb2 as pb
from maskgate.transport.grpc.interceptor import PROTOCOL as GRPC
from maskgate.transport.grpc.servicers import METHODS
from maskgate.transport.rest.routes.requests import PROTOCOL as REST
from tests.pictures import jpeg

if TYPE_CHECKING:
    from tests.unit.transport.skins import GrpcSkin, RestSkin, Skin
    from tests.unit.transport.world import World


def series(world: World) -> set[str]:
    """The names and labels of all samples but the moments at which they began."""
    lines = generate_latest(world.registry).decode().splitlines()
    return {line.rpartition(" ")[0] for line in lines if not line.startswith("#") and "_created" not in line}


@pytest.fixture
def world(world: World) -> World:
    for protocol in (GRPC, REST):
        world.observer.expect(protocol, METHODS)
    return world


_NAMES = st.text(max_size=80)
_FEW: Any = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


async def test_answers_and_refusals_add_no_series(skin: Skin, world: World) -> None:
    """What can be counted of a call is exposed before there is one."""
    before = series(world)

    image_id = (await skin.upload(jpeg())).payload["image_id"]
    await skin.segment(image_id, Point(1, 1))
    await skin.segment(image_id)
    await skin.segment(image_id, Point(1, 1), model="none")
    await skin.get(str(ImageId.of(b"none")))
    await skin.send_garbage(image_id)

    assert series(world) == before
    assert world.answered(skin.name, "Segment", "OK") == 1
    assert world.answered(skin.name, "Segment", "NOT_FOUND") == 1


@_FEW
@given(made_up=st.tuples(_NAMES, _NAMES, st.from_regex(r"[A-Za-z]{1,20}", fullmatch=True)))
async def test_nothing_that_clients_make_up_becomes_a_label(
    over_grpc: GrpcSkin, rest: RestSkin, world: World, made_up: tuple[str, str, str]
) -> None:
    """Identifiers, models, methods and paths of any kind add no series."""
    image_id, model, method = made_up
    before = series(world)

    for skin in (over_grpc, rest):
        await skin.segment(str(ImageId.of(image_id.encode())), Point(1, 1), model=model)
    await over_grpc.send(pb.SegmentRequest(image_id=image_id, model=model))
    unknown: Any = over_grpc.channel.unary_unary(f"/maskgate.v1.SegmentationService/{method}")
    with pytest.raises(grpc.aio.AioRpcError):
        await unknown(b"")
    await rest.client.request("POST", f"/v1/{method}")
    await rest.client.get(f"/v1/images/sha256:{method}")

    assert series(world) == before


async def test_bytes_are_counted(skin: Skin, world: World) -> None:
    """What is read and written is counted by protocol: an upload counts its file, however it ends."""
    content = jpeg()

    await skin.upload(content)
    first, answered = moved(world, skin, "received"), moved(world, skin, "sent")
    await skin.upload(b"no image" * 100)

    assert len(content) <= first <= len(content) + 16
    assert 0 < answered < 1000
    assert moved(world, skin, "received") >= first + 800


def moved(world: World, skin: Skin, way: str) -> float:
    return world.registry.get_sample_value(f"maskgate_{way}_bytes_total", {"protocol": skin.name}) or 0.0
