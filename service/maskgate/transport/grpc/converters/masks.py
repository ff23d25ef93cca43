"""Masks as messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskgate.transport.grpc._pb import segmentation_pb2 as pb
from maskgate.transport.grpc.converters.timing import from_timing

if TYPE_CHECKING:
    from maskgate.domain.mask import Mask
    from maskgate.domain.prompt import Box
    from maskgate.usecases.segment import Segmentation


def from_segmentation(segmentation: Segmentation) -> pb.SegmentResponse:
    """Write the answer to a prompt."""
    return pb.SegmentResponse(
        image_id=str(segmentation.image_id),
        model=segmentation.model,
        masks=map(_from_mask, segmentation.masks),
        timing=from_timing(segmentation.timing),
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
