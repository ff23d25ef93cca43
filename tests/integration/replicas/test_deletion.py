"""An image that is deleted through one gateway is gone from the others, although nobody asks them for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest

from maskgate.client import Client
from maskgate.transport.grpc._pb import images_pb2
from maskgate.transport.grpc._pb import segmentation_pb2 as pb
from maskgate.transport.grpc._pb.images_pb2_grpc import ImageServiceStub
from maskgate.transport.grpc._pb.segmentation_pb2_grpc import SegmentationServiceStub
from tests.e2e import photos
from tests.integration.replicas.gateways import replicas, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maskgate.stack import EmbeddedStack
    from tests.integration.replicas.gateways import Replica

pytestmark = pytest.mark.slow


@pytest.fixture
def gateways(stack: EmbeddedStack) -> Iterator[list[Replica]]:
    with replicas(stack, 2, environment={}) as running:
        yield running


def click(gateway: Replica, image_id: str) -> str:
    """Ask a gateway for a mask; returns the status."""
    with grpc.insecure_channel(str(gateway.endpoints.grpc)) as channel:
        stub: Any = SegmentationServiceStub(channel)  # type: ignore[no-untyped-call]
        try:
            stub.Segment(pb.SegmentRequest(image_id=image_id, points=[pb.Point(x=160, y=180)]), timeout=60)
        except grpc.RpcError as error:
            return str(error.code().name)  # type: ignore[attr-defined] # it is a Call as well
    return "OK"


def delete(gateway: Replica, image_id: str) -> None:
    with grpc.insecure_channel(str(gateway.endpoints.grpc)) as channel:
        stub: Any = ImageServiceStub(channel)  # type: ignore[no-untyped-call]
        stub.DeleteImage(images_pb2.DeleteImageRequest(image_id=image_id), timeout=10)


def test_other_gateways_forget_it(gateways: list[Replica]) -> None:
    """One has copy and embedding in its memory, the other deletes the image: both forget, and nothing comes back."""
    one, other = gateways
    with Client(str(one.endpoints.grpc)) as client:
        image_id = str(client.image(photos.fresh("cat")).id)
    before = [click(one, image_id), click(other, image_id)]
    kept = one.sample("maskgate_embedding_cache_bytes")

    delete(other, image_id)
    wait_until(lambda: one.sample("maskgate_embedding_cache_bytes") < kept)

    assert ["OK", "OK", "NOT_FOUND", "NOT_FOUND"] == [*before, click(one, image_id), click(other, image_id)]
