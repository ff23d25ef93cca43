"""Between messages and values, both ways; nothing is decided here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskgate.domain.errors import InvalidRequest
from maskgate.domain.prompt import Box, Multimask, Point, Prompt, refuse_absurd
from maskgate.domain.timing import CacheTier
from maskgate.transport.grpc._pb import segmentation_pb2 as pb

if TYPE_CHECKING:
    from maskgate.domain.image import ImageInfo
    from maskgate.domain.mask import Mask
    from maskgate.domain.timing import Timing
    from maskgate.usecases.segment import Segmentation

_MULTIMASK = {
    pb.MULTIMASK_UNSPECIFIED: Multimask.AUTO,
    pb.MULTIMASK_AUTO: Multimask.AUTO,
    pb.MULTIMASK_SINGLE: Multimask.SINGLE,
    pb.MULTIMASK_ALL: Multimask.ALL,
}
_CACHE_TIER = {
    CacheTier.MISS: pb.CACHE_TIER_MISS,
    CacheTier.L1: pb.CACHE_TIER_L1,
    CacheTier.L2: pb.CACHE_TIER_L2,
}
_FOREGROUND = 1


def to_prompt(request: pb.SegmentRequest) -> Prompt:
    """Read the prompt of a request. Raises InvalidPrompt."""
    refuse_absurd(len(request.points))
    points = tuple(
        Point(point.x, point.y, point.label if point.HasField("label") else _FOREGROUND) for point in request.points
    )
    box = request.box
    return Prompt(points, Box(box.x1, box.y1, box.x2, box.y2) if request.HasField("box") else None)


def to_multimask(value: int) -> Multimask:
    """Read an enum that may come from a newer client. Raises InvalidRequest."""
    for known, multimask in _MULTIMASK.items():
        if value == known:
            return multimask
    raise InvalidRequest(f"multimask {value} is not known to this server.", multimask=value)


def from_image(info: ImageInfo) -> pb.Image:
    """Write an image."""
    return pb.Image(
        image_id=str(info.image_id),
        width=info.size.width,
        height=info.size.height,
        format=info.format,
        size_bytes=info.size_bytes,
    )


def from_segmentation(segmentation: Segmentation) -> pb.SegmentResponse:
    """Write the answer to a prompt."""
    return pb.SegmentResponse(
        image_id=str(segmentation.image_id),
        model=segmentation.model,
        masks=map(_from_mask, segmentation.masks),
        timing=_from_timing(segmentation.timing),
    )


def _from_mask(mask: Mask) -> pb.Mask:
    rle = mask.rle
    return pb.Mask(
        rle=pb.Rle(height=rle.height, width=rle.width, counts=rle.counts),
        predicted_iou=mask.predicted_iou,
        area=mask.area,
        box=None if mask.box is None else _from_box(mask.box),
    )


def _from_box(box: Box) -> pb.Box:
    return pb.Box(x1=box.x1, y1=box.y1, x2=box.x2, y2=box.y2)


def _from_timing(timing: Timing) -> pb.Timing:
    return pb.Timing(
        cache_tier=_CACHE_TIER[timing.cache_tier],
        queue_ms=timing.queue * 1e3,
        encode_ms=timing.encode * 1e3,
        decode_ms=timing.decode * 1e3,
        total_ms=timing.total * 1e3,
    )
