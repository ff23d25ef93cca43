"""Prompts out of messages."""

from __future__ import annotations

from maskgate.domain.errors import InvalidRequest
from maskgate.domain.image import ImageId
from maskgate.domain.prompt import Box, Multimask, Point, Prompt, refuse_absurd
from maskgate.domain.query import SegmentQuery
from maskgate.transport.grpc._pb import segmentation_pb2 as pb

_MULTIMASK = {
    pb.MULTIMASK_UNSPECIFIED: Multimask.AUTO,
    pb.MULTIMASK_AUTO: Multimask.AUTO,
    pb.MULTIMASK_SINGLE: Multimask.SINGLE,
    pb.MULTIMASK_ALL: Multimask.ALL,
}
_FOREGROUND = 1


def to_query(request: pb.SegmentRequest) -> SegmentQuery:
    """Read a request. Raises InvalidRequest."""
    return SegmentQuery(
        ImageId.parse(request.image_id), _to_prompt(request), _to_multimask(request.multimask), request.model
    )


def _to_prompt(request: pb.SegmentRequest) -> Prompt:
    refuse_absurd(len(request.points))
    points = tuple(
        Point(point.x, point.y, point.label if point.HasField("label") else _FOREGROUND) for point in request.points
    )
    box = request.box
    return Prompt(points, Box(box.x1, box.y1, box.x2, box.y2) if request.HasField("box") else None)


def _to_multimask(value: int) -> Multimask:
    """Read an enum that may come from a newer client."""
    for known, multimask in _MULTIMASK.items():
        if value == known:
            return multimask
    raise InvalidRequest(f"multimask {value} is not known to this server.", multimask=value)
