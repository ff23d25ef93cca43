"""Prompts out of messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from maskgate.domain.errors import InvalidPrompt, InvalidRequest
from maskgate.domain.image import ImageId
from maskgate.domain.mask_handle import MaskHandle
from maskgate.domain.mask_prompt import HandleSource, LogitsSource, PngSource
from maskgate.domain.output import MaskFormat, MaskOutput
from maskgate.domain.prompt import Box, CoordinateSpace, Multimask, Point, Prompt, refuse_absurd
from maskgate.domain.query import SegmentQuery
from maskgate.transport.grpc._pb import segmentation_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maskgate.domain.mask_prompt import MaskSource

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
_COORDINATES = {
    pb.COORDINATE_SPACE_UNSPECIFIED: CoordinateSpace.PIXELS,
    pb.COORDINATE_SPACE_PIXELS: CoordinateSpace.PIXELS,
    pb.COORDINATE_SPACE_NORMALIZED: CoordinateSpace.NORMALIZED,
}
_FOREGROUND = 1


def to_query(request: pb.SegmentRequest) -> SegmentQuery:
    """Read a request. Raises InvalidRequest."""
    return SegmentQuery(
        ImageId.parse(request.image_id),
        to_prompt(request, to_coordinates(request.coordinates)),
        to_multimask(request.multimask),
        request.model,
        to_output(request.output),
    )


def to_prompt(message: pb.SegmentRequest | pb.Prompt, coordinates: CoordinateSpace) -> Prompt:
    """Read what is pointed at, of either message. Raises InvalidRequest."""
    refuse_absurd(len(message.points))
    points = tuple(
        Point(point.x, point.y, point.label if point.HasField("label") else _FOREGROUND) for point in message.points
    )
    return Prompt(
        points,
        _to_box(message.box) if message.HasField("box") else None,
        _to_mask(message.mask) if message.HasField("mask") else None,
        coordinates,
    )


def to_coordinates(value: int) -> CoordinateSpace:
    """Read what numbers mean. Raises InvalidRequest."""
    return known(_COORDINATES, value, "coordinates")


def to_multimask(value: int) -> Multimask:
    """Read how many masks are wanted. Raises InvalidRequest."""
    return known(_MULTIMASK, value, "multimask")


def to_output(output: pb.MaskOutput) -> MaskOutput:
    """Read which forms of masks are wanted. Raises InvalidRequest."""
    formats = frozenset(known(_FORMATS, value, "output.formats") for value in output.formats)
    handles = output.mask_handles if output.HasField("mask_handles") else None
    return MaskOutput(formats, output.polygon_tolerance, output.polygon_min_area, handles=handles)


def _to_box(box: pb.Box) -> Box:
    return Box(box.x1, box.y1, box.x2, box.y2)


def _to_mask(mask: pb.MaskPrompt) -> MaskSource:
    match mask.WhichOneof("source"):
        case "mask_handle":
            return HandleSource(MaskHandle.parse(mask.mask_handle))
        case "png":
            return PngSource(mask.png)
        case "logits":
            return LogitsSource(mask.logits)
    raise InvalidPrompt("mask needs exactly one of mask_handle, png and logits.", field="mask")


def known(table: Mapping[Any, _T], value: int, field: str) -> _T:
    """Read an enum that may come from a newer client. Raises InvalidRequest."""
    for one, meaning in table.items():
        if value == one:
            return meaning
    raise InvalidRequest(f"{field} {value} is not known to this server.", field=field, value=value)
