"""Masks as messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from maskgate.domain.granularity import Granularity
from maskgate.transport.grpc._pb import segmentation_pb2 as pb
from maskgate.transport.grpc.converters.timing import from_timing

if TYPE_CHECKING:
    from collections.abc import Callable

    from maskgate.domain.outline import Polygon
    from maskgate.domain.output import CroppedPng, LowResLogits, RenderedMask
    from maskgate.domain.prompt import Box
    from maskgate.domain.rle import Rle
    from maskgate.usecases.segment import Segmentation


_GRANULARITY = {
    Granularity.WHOLE: pb.GRANULARITY_WHOLE,
    Granularity.PART: pb.GRANULARITY_PART,
    Granularity.SUBPART: pb.GRANULARITY_SUBPART,
}
_T = TypeVar("_T")
_Written = TypeVar("_Written")


def from_segmentation(segmentation: Segmentation) -> pb.SegmentResponse:
    """Write the answer to a prompt."""
    return pb.SegmentResponse(
        image_id=str(segmentation.image_id),
        model=segmentation.model,
        masks=map(from_mask, segmentation.masks),
        timing=from_timing(segmentation.timing),
        width=segmentation.size.width,
        height=segmentation.size.height,
    )


def from_mask(mask: RenderedMask) -> pb.Mask:
    """Write a mask."""
    return pb.Mask(
        rle=_if_any(_from_rle, mask.rle),
        predicted_iou=mask.predicted_iou,
        area=mask.area,
        box=_if_any(_from_box, mask.box),
        stability_score=mask.stability_score,
        token=mask.token,
        mask_handle="" if mask.handle is None else mask.handle.text,
        png=mask.png or b"",
        cropped_png=_if_any(_from_crop, mask.cropped_png),
        polygons=map(_from_polygon, mask.polygons or ()),
        low_res_logits=_if_any(_from_logits, mask.low_res_logits),
        granularity=_if_any(_GRANULARITY.__getitem__, mask.granularity),
    )


def _from_rle(rle: Rle) -> pb.Rle:
    return pb.Rle(height=rle.height, width=rle.width, counts=rle.counts)


def _from_box(box: Box) -> pb.Box:
    return pb.Box(x1=box.x1, y1=box.y1, x2=box.x2, y2=box.y2)


def _from_crop(crop: CroppedPng) -> pb.CroppedPng:
    return pb.CroppedPng(png=crop.png, x=crop.x, y=crop.y)


def _from_polygon(polygon: Polygon) -> pb.Polygon:
    holes = (pb.Ring(xy=hole) for hole in polygon.holes)
    return pb.Polygon(exterior=pb.Ring(xy=polygon.exterior), holes=holes, area=polygon.area)


def _from_logits(logits: LowResLogits) -> pb.LowResLogits:
    return pb.LowResLogits(
        data=logits.data, side=logits.side, valid_width=logits.valid_width, valid_height=logits.valid_height
    )


def _if_any(write: Callable[[_T], _Written], value: _T | None) -> _Written | None:
    return None if value is None else write(value)
