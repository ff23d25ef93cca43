"""Prompts out of messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from maskgate.domain.errors import InvalidRequest
from maskgate.domain.image import ImageId
from maskgate.domain.output import MaskFormat, MaskOutput
from maskgate.domain.prompt import Box, Multimask, Point, Prompt, refuse_absurd
from maskgate.domain.query import SegmentQuery
from maskgate.transport.grpc._pb import segmentation_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Mapping

_T = TypeVar("_T")

_MULTIMASK = {
    pb.MULTIMASK_UNSPECIFIED: Multimask.AUTO,
    pb.MULTIMASK_AUTO: Multimask.AUTO,
    pb.MULTIMASK_SINGLE: Multimask.SINGLE,
    pb.MULTIMASK_ALL: Multimask.ALL,
    pb.MULTIMASK_STABLE: Multimask.STABLE,
}
_FORMATS = {
    pb.MASK_FORMAT_COCO_RLE: MaskFormat.COCO_RLE,
    pb.MASK_FORMAT_PNG: MaskFormat.PNG,
    pb.MASK_FORMAT_CROPPED_PNG: MaskFormat.CROPPED_PNG,
    pb.MASK_FORMAT_POLYGONS: MaskFormat.POLYGONS,
    pb.MASK_FORMAT_LOW_RES_LOGITS: MaskFormat.LOW_RES_LOGITS,
}
_FOREGROUND = 1


def to_query(request: pb.SegmentRequest) -> SegmentQuery:
    """Read a request. Raises InvalidRequest."""
    return SegmentQuery(
        ImageId.parse(request.image_id),
        _to_prompt(request),
        _to_multimask(request.multimask),
        request.model,
        _to_output(request.output),
    )


def _to_prompt(request: pb.SegmentRequest) -> Prompt:
    refuse_absurd(len(request.points))
    points = tuple(
        Point(point.x, point.y, point.label if point.HasField("label") else _FOREGROUND) for point in request.points
    )
    box = request.box
    return Prompt(points, Box(box.x1, box.y1, box.x2, box.y2) if request.HasField("box") else None)


def _to_multimask(value: int) -> Multimask:
    return _known(_MULTIMASK, value, "multimask")


def _to_output(output: pb.MaskOutput) -> MaskOutput:
    formats = frozenset(_known(_FORMATS, value, "output.formats") for value in output.formats)
    return MaskOutput(formats, output.polygon_tolerance, output.polygon_min_area)


def _known(table: Mapping[Any, _T], value: int, field: str) -> _T:
    """Read an enum that may come from a newer client."""
    for known, meaning in table.items():
        if value == known:
            return meaning
    raise InvalidRequest(f"{field} {value} is not known to this server.", **{field: value})
