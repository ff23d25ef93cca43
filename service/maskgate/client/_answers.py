"""Values out of the gateway's messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskgate.domain.granularity import Granularity
from maskgate.domain.image import ImageId, ImageInfo, ImageSize
from maskgate.domain.mask_handle import MaskHandle
from maskgate.domain.outline import Polygon
from maskgate.domain.output import CroppedPng, LowResLogits, MaskFormat, MaskOutput, RenderedMask
from maskgate.domain.prompt import Box
from maskgate.domain.rle import Rle
from maskgate.domain.timing import CacheTier, Timing
from maskgate.transport.grpc._pb import segmentation_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterable

_CACHE_TIER = {
    pb.CACHE_TIER_MISS: CacheTier.MISS,
    pb.CACHE_TIER_L1: CacheTier.L1,
    pb.CACHE_TIER_L2: CacheTier.L2,
}
_GRANULARITY = {
    pb.GRANULARITY_WHOLE: Granularity.WHOLE,
    pb.GRANULARITY_PART: Granularity.PART,
    pb.GRANULARITY_SUBPART: Granularity.SUBPART,
}


def to_image(image: pb.Image) -> ImageInfo:
    """Read what is known of an image."""
    size = ImageSize(image.width, image.height)
    return ImageInfo(ImageId(image.image_id), size, image.format, image.size_bytes)


def to_masks(masks: Iterable[pb.Mask], output: MaskOutput) -> tuple[RenderedMask, ...]:
    """Read masks that came in the forms that were wanted."""
    return tuple(to_mask(mask, output) for mask in masks)


def to_mask(mask: pb.Mask, output: MaskOutput) -> RenderedMask:
    """Read a mask: without its wishes one cannot tell a mask of no parts from one whose parts were not wanted."""
    return RenderedMask(
        predicted_iou=mask.predicted_iou,
        stability_score=mask.stability_score,
        token=mask.token,
        area=mask.area,
        box=to_box(mask.box) if mask.HasField("box") else None,
        rle=Rle(mask.rle.height, mask.rle.width, mask.rle.counts) if mask.HasField("rle") else None,
        png=mask.png or None,
        cropped_png=_to_crop(mask.cropped_png) if mask.HasField("cropped_png") else None,
        polygons=tuple(map(_to_polygon, mask.polygons)) if output.wants(MaskFormat.POLYGONS) else None,
        low_res_logits=_to_logits(mask.low_res_logits) if mask.HasField("low_res_logits") else None,
        granularity=_GRANULARITY.get(mask.granularity),
        handle=MaskHandle(mask.mask_handle) if mask.mask_handle else None,
    )


def to_box(box: pb.Box) -> Box:
    """Read a box."""
    return Box(box.x1, box.y1, box.x2, box.y2)


def _to_crop(crop: pb.CroppedPng) -> CroppedPng:
    return CroppedPng(crop.png, crop.x, crop.y)


def _to_polygon(polygon: pb.Polygon) -> Polygon:
    return Polygon(tuple(polygon.exterior.xy), tuple(tuple(hole.xy) for hole in polygon.holes), polygon.area)


def _to_logits(logits: pb.LowResLogits) -> LowResLogits:
    return LowResLogits(logits.data, logits.side, logits.valid_width, logits.valid_height)


def to_timing(timing: pb.Timing) -> Timing:
    """Read where the time went."""
    return Timing(
        cache_tier=to_cache_tier(timing.cache_tier),
        queue=timing.queue_ms / 1e3,
        encode=timing.encode_ms / 1e3,
        decode=timing.decode_ms / 1e3,
        postprocess=timing.postprocess_ms / 1e3,
        total=timing.total_ms / 1e3,
    )


def to_cache_tier(tier: pb.CacheTier) -> CacheTier:
    """Read where an embedding was found; a place that a newer gateway names is none that this client knows."""
    return _CACHE_TIER.get(tier, CacheTier.MISS)
