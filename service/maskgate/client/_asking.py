"""What is asked of an image, as callers write it, and the messages that say so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

import numpy as np
import numpy.typing as npt

from maskgate.client._png import png_of_mask
from maskgate.domain.mask_handle import MaskHandle
from maskgate.domain.mask_prompt import HandleSource, LogitsSource, PngSource
from maskgate.domain.output import LowResLogits, MaskFormat, MaskOutput, RenderedMask
from maskgate.domain.prompt import Box, CoordinateSpace, Multimask, Point, Prompt
from maskgate.transport.grpc._pb import segmentation_pb2 as pb

if TYPE_CHECKING:
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

Numbers = Sequence[float] | npt.NDArray[np.generic]
StartingMask = RenderedMask | MaskHandle | LowResLogits | npt.NDArray[np.bool_] | bytes


class Pointing(TypedDict, total=False):
    """What a user points at: at least a point, a box or a mask. Coordinates are those of the oriented image.

    Attributes:
        points: (x, y) of each click.
        labels: 1 where the click of that place is on the object, 0 where it is not. Unset: all are.
        box: x1, y1, x2, y2 of a box around the object, right and bottom edges exclusive.
        mask: A mask to start from: one of an answer or its handle or logits, bool [H, W], or the bytes of a PNG.
        coordinates: "pixels", or "normalized" for fractions of the image's width and height.
        prompt: All of this, instead of it.
    """

    points: Iterable[Numbers | Point] | npt.NDArray[np.generic]
    labels: Iterable[int] | npt.NDArray[np.generic]
    box: Numbers | Box
    mask: StartingMask
    coordinates: CoordinateSpace | str
    prompt: Prompt


class Wishes(TypedDict, total=False):
    """Which masks are wanted, and in which forms.

    Attributes:
        multimask: "auto" (unset), "single", "all" or "stable": how many masks (docs/masks.md).
        model: The name of a model. Unset: the server's default.
        formats: Forms beside the run-length encoding that the pixels are made of: "png", "cropped_png", "polygons",
            "low_res_logits".
        polygon_tolerance: How far, in pixels, a simplified outline may lie from the true one, 0 to 100.
        polygon_min_area: Parts and holes of fewer pixels are left out of polygons.
        handles: Whether masks can be refined without being sent again. Unset: those of `segment` can.
    """

    multimask: Multimask | str
    model: str
    formats: Iterable[MaskFormat | str]
    polygon_tolerance: float
    polygon_min_area: int
    handles: bool


class Asked(Pointing, Wishes, total=False):
    """What a user points at, and which masks are wanted of it."""


def prompt_of(asked: Pointing) -> Prompt:
    """Read what is pointed at. Raises InvalidPrompt; ValueError where numbers are too many or too few."""
    if "prompt" in asked:
        return asked["prompt"]
    return Prompt(
        tuple(_points_of(asked)),
        _box_of(asked["box"]) if "box" in asked else None,
        _source_of(asked["mask"]) if "mask" in asked else None,
        CoordinateSpace(asked.get("coordinates", CoordinateSpace.PIXELS)),
    )


def _points_of(asked: Pointing) -> Iterable[Point]:
    points = [_point_of(point) for point in asked.get("points", ())]
    if "labels" not in asked:
        return points
    labelled = zip(points, asked["labels"], strict=True)
    return [Point(point.x, point.y, int(label)) for point, label in labelled]


def _point_of(point: Numbers | Point) -> Point:
    if isinstance(point, Point):
        return point
    x, y = map(float, point)
    return Point(x, y)


def _box_of(box: Numbers | Box) -> Box:
    return box if isinstance(box, Box) else Box(*map(float, box))


def _source_of(mask: StartingMask) -> MaskSource:
    match mask:
        case RenderedMask(handle=MaskHandle() as handle):
            return HandleSource(handle)
        case RenderedMask():
            return PngSource(png_of_mask(mask.pixels))
        case MaskHandle():
            return HandleSource(mask)
        case LowResLogits():
            return LogitsSource(mask.data)
        case np.ndarray():
            return PngSource(png_of_mask(mask))
    return PngSource(mask)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which masks are wanted, read."""

    multimask: Multimask
    model: str
    output: MaskOutput

    @classmethod
    def of(cls, wishes: Wishes) -> Wanted:
        """Read wishes. Pixels are always wanted. Raises InvalidRequest; ValueError for words that mean nothing."""
        output = MaskOutput(
            frozenset({MaskFormat.COCO_RLE, *map(MaskFormat, wishes.get("formats", ()))}),
            wishes.get("polygon_tolerance", 0.0),
            wishes.get("polygon_min_area", 0),
            handles=wishes.get("handles"),
        )
        return cls(Multimask(wishes.get("multimask", Multimask.AUTO)), wishes.get("model", ""), output)


def segment_request(image_id: str, prompt: Prompt, wanted: Wanted) -> pb.SegmentRequest:
    """Ask for the masks that a prompt means."""
    pointed = from_prompt(prompt)
    return pb.SegmentRequest(
        image_id=image_id,
        points=pointed.points,
        box=pointed.box if pointed.HasField("box") else None,
        mask=pointed.mask if pointed.HasField("mask") else None,
        multimask=_MULTIMASK[wanted.multimask],
        model=wanted.model,
        coordinates=_COORDINATES[prompt.coordinates],
        output=from_output(wanted.output),
    )


def batch_request(image_id: str, prompts: Sequence[Prompt], wanted: Wanted) -> pb.SegmentBatchRequest:
    """Ask for the masks of many prompts on one image, in the coordinates of the first."""
    return pb.SegmentBatchRequest(
        images=[pb.ImagePrompts(image_id=image_id, prompts=map(from_prompt, prompts))],
        multimask=_MULTIMASK[wanted.multimask],
        model=wanted.model,
        coordinates=_COORDINATES[prompts[0].coordinates],
        output=from_output(wanted.output),
    )


def from_multimask(multimask: Multimask) -> pb.Multimask:
    """Write how many masks are wanted."""
    return _MULTIMASK[multimask]


def from_coordinates(coordinates: CoordinateSpace) -> pb.CoordinateSpace:
    """Write what numbers mean."""
    return _COORDINATES[coordinates]


def from_prompt(prompt: Prompt) -> pb.Prompt:
    """Write what is pointed at, but for the meaning of its coordinates."""
    box = prompt.box
    return pb.Prompt(
        points=(pb.Point(x=point.x, y=point.y, label=point.label) for point in prompt.points),
        box=None if box is None else pb.Box(x1=box.x1, y1=box.y1, x2=box.x2, y2=box.y2),
        mask=None if prompt.mask is None else _from_source(prompt.mask),
    )


def _from_source(mask: MaskSource) -> pb.MaskPrompt:
    match mask:
        case HandleSource(handle):
            return pb.MaskPrompt(mask_handle=handle.text)
        case LogitsSource(data):
            return pb.MaskPrompt(logits=data)
    return pb.MaskPrompt(png=mask.png)


def from_output(output: MaskOutput) -> pb.MaskOutput:
    """Write which forms of masks are wanted."""
    return pb.MaskOutput(
        formats=[_FORMATS[form] for form in output.formats],
        polygon_tolerance=output.polygon_tolerance,
        polygon_min_area=output.polygon_min_area,
        mask_handles=output.handles,
    )
