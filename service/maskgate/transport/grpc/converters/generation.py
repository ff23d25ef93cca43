"""Generations: requests out of messages, events into messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskgate.domain.generation.events import GeneratedMask, GenerationProgress, WithdrawnMask
from maskgate.domain.generation.query import Delivery, GenerationQuery
from maskgate.domain.generation.settings import GenerationSettings, PointGrid, refuse_absurd
from maskgate.domain.image import ImageId
from maskgate.transport.grpc._pb import generation_pb2 as pb
from maskgate.transport.grpc._pb import segmentation_pb2
from maskgate.transport.grpc.converters.masks import from_mask
from maskgate.transport.grpc.converters.prompts import known, to_output
from maskgate.transport.grpc.converters.timing import from_timing

if TYPE_CHECKING:
    from maskgate.domain.generation.events import GenerationEvent, GenerationSummary, Told

_DELIVERIES = {
    pb.DELIVERY_UNSPECIFIED: Delivery.SETTLED,
    pb.DELIVERY_SETTLED: Delivery.SETTLED,
    pb.DELIVERY_AS_FOUND: Delivery.AS_FOUND,
}
_NUMBERS = (
    "points_per_side",
    "pred_iou_thresh",
    "stability_score_thresh",
    "stability_score_offset",
    "box_nms_thresh",
    "crop_n_layers",
    "crop_nms_thresh",
    "crop_overlap_ratio",
    "crop_n_points_downscale_factor",
    "min_mask_region_area",
    "points_per_batch",
)
"""Fields that are called the same in GenerationSettings, whose defaults stand for those that are unset."""


def to_query(request: pb.GenerateMasksRequest) -> GenerationQuery:
    """Read a request. Raises InvalidRequest."""
    return GenerationQuery(
        ImageId.parse(request.image_id),
        _to_settings(request),
        request.model,
        known(_DELIVERIES, request.delivery, "delivery"),
        to_output(request.output),
        request.cursor,
    )


def from_told(told: Told) -> pb.GenerateMasksResponse:
    """Write what happened."""
    response = _from_event(told.event)
    response.cursor = str(told.cursor)
    return response


def _from_event(event: GenerationEvent) -> pb.GenerateMasksResponse:
    match event:
        case GeneratedMask():
            return pb.GenerateMasksResponse(mask=_from_mask(event))
        case WithdrawnMask():
            withdrawn = pb.WithdrawnMask(id=str(event.id), replaced_by=str(event.replaced_by))
            return pb.GenerateMasksResponse(withdrawn=withdrawn)
        case GenerationProgress():
            return pb.GenerateMasksResponse(progress=_from_progress(event))
        case _:
            return pb.GenerateMasksResponse(summary=_from_summary(event))


def _to_settings(request: pb.GenerateMasksRequest) -> GenerationSettings:
    refuse_absurd(sum(len(grid.xy) for grid in request.point_grids))
    given = {name: getattr(request, name) for name in _NUMBERS if request.HasField(name)}
    return GenerationSettings(point_grids=tuple(PointGrid(tuple(grid.xy)) for grid in request.point_grids), **given)


def _from_mask(found: GeneratedMask) -> pb.GeneratedMask:
    x1, y1, x2, y2 = found.crop.edges
    return pb.GeneratedMask(
        id=str(found.id),
        mask=from_mask(found.mask),
        point=segmentation_pb2.Point(x=found.point.x, y=found.point.y, label=found.point.label),
        crop_box=segmentation_pb2.Box(x1=x1, y1=y1, x2=x2, y2=y2),
    )


def _from_progress(progress: GenerationProgress) -> pb.GenerationProgress:
    return pb.GenerationProgress(
        prompts_done=progress.prompts_done, prompts_total=progress.prompts_total, candidates=progress.candidates
    )


def _from_summary(summary: GenerationSummary) -> pb.GenerationSummary:
    return pb.GenerationSummary(
        masks=summary.masks,
        width=summary.size.width,
        height=summary.size.height,
        model=summary.model,
        timing=from_timing(summary.timing),
    )
