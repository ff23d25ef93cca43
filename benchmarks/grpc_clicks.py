"""Clicks with gRPC's own blocking client: what is timed is the service, and not our own client."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc

from maskgate.transport.grpc._pb import segmentation_pb2 as pb
from maskgate.transport.grpc._pb.segmentation_pb2_grpc import SegmentationServiceStub

if TYPE_CHECKING:
    from maskgate.domain.prompt import Point

_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),  # else all channels of a process share one connection, and so one worker
)


class GrpcClicks:
    """Asks a gateway for the mask of a click."""

    def __init__(self, address: str, *, timeout: float) -> None:
        """Connect with the first click; each may take so many seconds."""
        self._timeout = timeout
        self._channel = grpc.insecure_channel(address, options=_OPTIONS)
        self._stub = SegmentationServiceStub(self._channel)  # type: ignore[no-untyped-call] # generated

    def __call__(self, image_id: str, point: Point) -> pb.SegmentResponse:
        """Click. Raises grpc.RpcError."""
        request = pb.SegmentRequest(image_id=image_id, points=[pb.Point(x=point.x, y=point.y)])
        response: pb.SegmentResponse = self._stub.Segment(request, timeout=self._timeout)
        return response

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()
