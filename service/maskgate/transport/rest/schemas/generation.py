"""Everything in an image: what is asked for, and what happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, Field

from maskgate.domain.generation import events as domain
from maskgate.domain.generation.query import Delivery, GenerationQuery
from maskgate.domain.generation.settings import GenerationSettings, refuse_absurd
from maskgate.domain.generation.settings import PointGrid as DomainGrid
from maskgate.transport.rest.schemas.masks import Mask
from maskgate.transport.rest.schemas.prompts import Box, MaskOutput, Point
from maskgate.transport.rest.schemas.requests import Request
from maskgate.transport.rest.schemas.timing import Timing

if TYPE_CHECKING:
    from maskgate.domain.image import ImageId


class PointGrid(Request):
    """Points of one layer of crops."""

    xy: list[float] = Field(description="x and y in turn, fractions of the crop's width and height, 0 to 1.")


class GenerateRequest(Request):
    """Names, meanings and defaults are those of SamAutomaticMaskGenerator."""

    model: str = Field("", description="Name of the model; empty means the server's default.")
    points_per_side: int | None = Field(
        None, description="Points along a side of the grid, 1 to 128; null means 32. Not beside `point_grids`."
    )
    point_grids: list[PointGrid] = Field(
        default_factory=list,
        description="Grids of one's own: one for the whole image, and one for each layer of crops.",
    )
    pred_iou_thresh: float = Field(0.88, description="Masks must have a predicted IoU above this, 0 to 1.")
    stability_score_thresh: float = Field(0.95, description="Masks must have at least this stability score, 0 to 1.")
    stability_score_offset: float = Field(
        1.0, description="The shift of the threshold for the stability score, 0 to 100."
    )
    box_nms_thresh: float = Field(
        0.7, description="Of masks whose boxes have a higher IoU than this the better one stays, 0 to 1."
    )
    crop_n_layers: int = Field(
        0,
        description="Layers of crops beside the whole image, 0 to 3; layer i has (2^i)^2 of them. Each crop is encoded "
        "like an image.",
    )
    crop_nms_thresh: float = Field(0.7, description="As `box_nms_thresh`, between crops; masks of smaller crops stay.")
    crop_overlap_ratio: float = Field(
        512 / 1500,
        description="Overlap of the first layer's crops as a fraction of the image's short side, 0 to 0.9.",
    )
    crop_n_points_downscale_factor: int = Field(
        1, description="In layer n the points along a side are divided by this to the power of n, 1 to 128."
    )
    min_mask_region_area: int = Field(0, description="Holes and islands of fewer pixels are removed; 0 removes none.")
    points_per_batch: int | None = Field(
        None,
        description="Prompts decoded at once, 1 to 1024, and no more than the model takes; null leaves it to the "
        "server. What is found does not depend on it.",
    )
    delivery: Literal["settled", "as_found"] = Field(
        "settled",
        description="When masks are sent. 'settled': once no later mask can replace them; 'as_found': as soon as they "
        "are found, and one that a better mask replaces later is withdrawn.",
    )
    output: MaskOutput = Field(default_factory=MaskOutput, description="Which forms the masks come in.")
    cursor: str = Field(
        "",
        description="Where an interrupted call goes on: the last cursor that was received, with the same request "
        "otherwise, but for the forms of masks. Empty begins.",
    )

    def to_query(self, image_id: ImageId, *, last_event: str) -> GenerationQuery:
        """Read what is asked of an image, after the event that a browser names. Raises InvalidRequest."""
        delivery, output = Delivery(self.delivery), self.output.to_domain()
        return GenerationQuery(image_id, self._to_settings(), self.model, delivery, output, self.cursor or last_event)

    def _to_settings(self) -> GenerationSettings:
        refuse_absurd(sum(len(grid.xy) for grid in self.point_grids))
        numbers = self.model_dump(exclude={"model", "point_grids", "delivery", "output", "cursor"})
        return GenerationSettings(point_grids=tuple(DomainGrid(tuple(grid.xy)) for grid in self.point_grids), **numbers)


class GeneratedMask(BaseModel):
    """A mask and where it came from: the record of SA-1B."""

    id: str = Field(description="Names the mask within this generation, and is the same whenever it is repeated.")
    mask: Mask
    point: Point = Field(description="The point that found it, in pixels of the image.")
    crop_box: Box = Field(description="The crop that it was found in, in pixels of the image.")

    @classmethod
    def of(cls, found: domain.GeneratedMask) -> GeneratedMask:
        """Write a mask."""
        x1, y1, x2, y2 = found.crop.edges
        point = Point(x=found.point.x, y=found.point.y, label=found.point.label)
        return cls(id=str(found.id), mask=Mask.of(found.mask), point=point, crop_box=Box(x1=x1, y1=y1, x2=x2, y2=y2))


class WithdrawnMask(BaseModel):
    """A mask that is no longer part of the result. It may be sent again, if what has replaced it is withdrawn."""

    id: str = Field(description="Its id.")
    replaced_by: str = Field(description="The id of the mask in its place, which comes before or after this event.")


class GenerationProgress(BaseModel):
    """How far the work is."""

    prompts_done: int = Field(description="Prompts that were decoded.")
    prompts_total: int = Field(description="Prompts in all.")
    candidates: int = Field(description="Masks that passed the filters so far, duplicates included.")


class GenerationSummary(BaseModel):
    """The end of a generation; a stream that ends without it has failed."""

    masks: int = Field(description="How many masks the result has.")
    width: int = Field(description="Width of the oriented image, and of its masks, in pixels.")
    height: int = Field(description="Height of the oriented image, and of its masks, in pixels.")
    model: str = Field(description="Name of the model that was used.")
    timing: Timing

    @classmethod
    def of(cls, summary: domain.GenerationSummary) -> GenerationSummary:
        """Write the end."""
        return cls(
            masks=summary.masks,
            width=summary.size.width,
            height=summary.size.height,
            model=summary.model,
            timing=Timing.of(summary.timing),
        )


class _Event(BaseModel):
    cursor: str = Field(
        description="Sent with the same request, it goes on after this event, on any gateway and for as long as the "
        "image is kept."
    )


class MaskEvent(_Event):
    """A mask was found."""

    mask: GeneratedMask


class WithdrawnEvent(_Event):
    """A mask that was sent is no longer part of the result. Only with 'as_found'."""

    withdrawn: WithdrawnMask


class ProgressEvent(_Event):
    """Some points were decoded."""

    progress: GenerationProgress


class SummaryEvent(_Event):
    """The end."""

    summary: GenerationSummary


def event_of(told: domain.Told) -> tuple[str, BaseModel]:
    """Write what happened, with its name; the fields are those of the contract."""
    event, cursor = told.event, str(told.cursor)
    match event:
        case domain.GeneratedMask():
            return "mask", MaskEvent(cursor=cursor, mask=GeneratedMask.of(event))
        case domain.WithdrawnMask():
            withdrawn = WithdrawnMask(id=str(event.id), replaced_by=str(event.replaced_by))
            return "withdrawn", WithdrawnEvent(cursor=cursor, withdrawn=withdrawn)
        case domain.GenerationProgress():
            progress = GenerationProgress(
                prompts_done=event.prompts_done, prompts_total=event.prompts_total, candidates=event.candidates
            )
            return "progress", ProgressEvent(cursor=cursor, progress=progress)
        case _:
            return "summary", SummaryEvent(cursor=cursor, summary=GenerationSummary.of(event))
