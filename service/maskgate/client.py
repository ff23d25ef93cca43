"""A small synchronous gRPC client, for the command line and the tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import grpc

from maskgate.domain.image import ImageId
from maskgate.domain.mask_handle import MaskHandle
from maskgate.domain.mask_prompt import HandleSource, LogitsSource
from maskgate.domain.outline import Polygon
from maskgate.domain.output import CroppedPng, LowResLogits, MaskFormat, MaskOutput, RenderedMask
from maskgate.domain.prompt import Box, CoordinateSpace, Multimask, Point, Prompt
from maskgate.domain.rle import Rle
from maskgate.domain.timing import CacheTier, Timing
from maskgate.transport.grpc._pb import segmentation_pb2 as pb
from maskgate.transport.grpc._pb.segmentation_pb2_grpc import SegmentationServiceStub

if TYPE_CHECKING:
    from types import TracebackType

    from maskgate.domain.mask_prompt import MaskSource

_MULTIMASK = {
    Multimask.AUTO: pb.MULTIMASK_AUTO,
    Multimask.SINGLE: pb.MULTIMASK_SINGLE,
    Multimask.ALL: pb.MULTIMASK_ALL,
    Multimask.STABLE: pb.MULTIMASK_STABLE,
}
_FORMATS = {
    MaskFormat.COCO_RLE: pb.MASK_FORMAT_COCO_RLE,
    MaskFormat.PNG: pb.MASK_FORMAT_PNG,
    MaskFormat.CROPPED_PNG: pb.MASK_FORMAT_CROPPED_PNG,
    MaskFormat.POLYGONS: pb.MASK_FORMAT_POLYGONS,
    MaskFormat.LOW_RES_LOGITS: pb.MASK_FORMAT_LOW_RES_LOGITS,
}
_COORDINATES = {
    CoordinateSpace.PIXELS: pb.COORDINATE_SPACE_PIXELS,
    CoordinateSpace.NORMALIZED: pb.COORDINATE_SPACE_NORMALIZED,
}
_CHANNEL_OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.enable_http_proxy", 0),  # gRPC would ask the environment's proxy even for 127.0.0.1
)
_CACHE_TIER = {
    pb.CACHE_TIER_MISS: CacheTier.MISS,
    pb.CACHE_TIER_L1: CacheTier.L1,
    pb.CACHE_TIER_L2: CacheTier.L2,
}
_AS_RUNS = MaskOutput()


@dataclass(frozen=True, slots=True)
class Answer:
    """The masks of one prompt, highest predicted IoU first, and where the time went."""

    masks: tuple[RenderedMask, ...]
    timing: Timing


class Client:
    """Talks to a gateway.

    Each call raises grpc.RpcError where the gateway refuses it, cannot be reached (UNAVAILABLE) or does not answer in
    time (DEADLINE_EXCEEDED). The error's `code()` and `details()` are the gateway's; docs/errors.md lists them.

    Args:
        address: `host:port` of the gateway's gRPC endpoint.
        timeout: Seconds for each call.
    """

    def __init__(self, address: str, *, timeout: float = 60.0) -> None:
        self._timeout = timeout
        self._channel = grpc.insecure_channel(address, options=_CHANNEL_OPTIONS)
        self._stub = SegmentationServiceStub(self._channel)  # type: ignore[no-untyped-call] # generated

    def __enter__(self) -> Self:
        """Keep the connection open."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self._channel.close()

    def upload(self, content: bytes) -> ImageId:
        """Upload the bytes of an image file."""
        response = self._stub.UploadImage(pb.UploadImageRequest(content=content), timeout=self._timeout)
        return ImageId.parse(response.image.image_id)

    def segment(
        self,
        image_id: ImageId,
        prompt: Prompt,
        *,
        multimask: Multimask = Multimask.AUTO,
        model: str = "",
        output: MaskOutput = _AS_RUNS,
    ) -> Answer:
        """Ask for the masks that a prompt means, in the forms of `output`.

        To refine a mask, give HandleSource(mask.handle) as the next prompt's mask, on the same image and model.
        """
        request = pb.SegmentRequest(
            image_id=str(image_id),
            points=map(_from_point, prompt.points),
            box=None if prompt.box is None else _from_box(prompt.box),
            multimask=_MULTIMASK[multimask],
            model=model,
            mask=None if prompt.mask is None else _from_source(prompt.mask),
            coordinates=_COORDINATES[prompt.coordinates],
            output=_from_output(output),
        )
        response = self._stub.Segment(request, timeout=self._timeout)
        return Answer(tuple(_to_mask(mask, output) for mask in response.masks), _to_timing(response.timing))


def _from_point(point: Point) -> pb.Point:
    return pb.Point(x=point.x, y=point.y, label=point.label)


def _from_box(box: Box) -> pb.Box:
    return pb.Box(x1=box.x1, y1=box.y1, x2=box.x2, y2=box.y2)


def _from_source(mask: MaskSource) -> pb.MaskPrompt:
    match mask:
        case HandleSource(handle):
            return pb.MaskPrompt(mask_handle=handle.text)
        case LogitsSource(data):
            return pb.MaskPrompt(logits=data)
    return pb.MaskPrompt(png=mask.png)


def _from_output(output: MaskOutput) -> pb.MaskOutput:
    return pb.MaskOutput(
        formats=[_FORMATS[form] for form in output.formats],
        polygon_tolerance=output.polygon_tolerance,
        polygon_min_area=output.polygon_min_area,
        mask_handles=output.handles,
    )


def _to_mask(mask: pb.Mask, output: MaskOutput) -> RenderedMask:
    return RenderedMask(
        predicted_iou=mask.predicted_iou,
        stability_score=mask.stability_score,
        token=mask.token,
        area=mask.area,
        box=Box(mask.box.x1, mask.box.y1, mask.box.x2, mask.box.y2) if mask.HasField("box") else None,
        rle=Rle(mask.rle.height, mask.rle.width, mask.rle.counts) if mask.HasField("rle") else None,
        png=mask.png or None,
        cropped_png=_to_crop(mask.cropped_png) if mask.HasField("cropped_png") else None,
        polygons=tuple(map(_to_polygon, mask.polygons)) if output.wants(MaskFormat.POLYGONS) else None,
        low_res_logits=_to_logits(mask.low_res_logits) if mask.HasField("low_res_logits") else None,
        handle=MaskHandle(mask.mask_handle) if mask.mask_handle else None,
    )


def _to_crop(crop: pb.CroppedPng) -> CroppedPng:
    return CroppedPng(crop.png, crop.x, crop.y)


def _to_polygon(polygon: pb.Polygon) -> Polygon:
    return Polygon(tuple(polygon.exterior.xy), tuple(tuple(hole.xy) for hole in polygon.holes), polygon.area)


def _to_logits(logits: pb.LowResLogits) -> LowResLogits:
    return LowResLogits(logits.data, logits.side, logits.valid_width, logits.valid_height)


def _to_timing(timing: pb.Timing) -> Timing:
    return Timing(
        cache_tier=_CACHE_TIER[timing.cache_tier],
        queue=timing.queue_ms / 1e3,
        encode=timing.encode_ms / 1e3,
        decode=timing.decode_ms / 1e3,
        postprocess=timing.postprocess_ms / 1e3,
        total=timing.total_ms / 1e3,
    )
