"""What clients ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from maskgate.domain import prompt as domain
from maskgate.domain.errors import InvalidPrompt
from maskgate.domain.mask_handle import MaskHandle
from maskgate.domain.mask_prompt import HandleSource, LogitsSource, PngSource
from maskgate.domain.output import MaskFormat
from maskgate.domain.output import MaskOutput as DomainOutput
from maskgate.domain.query import SegmentQuery
from maskgate.transport.rest.schemas.requests import Request, bytes_of

if TYPE_CHECKING:
    from maskgate.domain.image import ImageId
    from maskgate.domain.mask_prompt import MaskSource


class Point(Request):
    """A click."""

    x: float = Field(description="Distance from the left edge, in pixels unless `coordinates` says otherwise.")
    y: float = Field(description="Distance from the top edge, in pixels unless `coordinates` says otherwise.")
    label: int = Field(1, description="1: the point lies on the object; 0: it does not.")


class Box(Request):
    """A rectangle in the oriented image, right and bottom edges exclusive; in answers in pixels."""

    x1: float = Field(description="Left edge.")
    y1: float = Field(description="Top edge.")
    x2: float = Field(description="Right edge.")
    y2: float = Field(description="Bottom edge.")

    @classmethod
    def of(cls, box: domain.Box) -> Box:
        """Write a box."""
        return cls(x1=box.x1, y1=box.y1, x2=box.x2, y2=box.y2)

    def to_domain(self) -> domain.Box:
        """Read a box."""
        return domain.Box(self.x1, self.y1, self.x2, self.y2)


class MaskPrompt(Request):
    """A mask to start from: exactly one of the fields."""

    mask_handle: str | None = Field(
        None, description="`mask_handle` of a mask of an earlier answer about this image by this model."
    )
    png: str | None = Field(
        None, description="PNG of one channel at the size of the oriented image, 128 and more is the mask; base64."
    )
    logits: str | None = Field(
        None,
        description="Logits in the frame of the model that is asked, as `low_res_logits.data` of an answer; base64.",
    )

    def to_domain(self) -> MaskSource:
        """Read a mask. Raises InvalidPrompt, MaskHandleNotFound, and InvalidRequest where it is not base64."""
        match (self.mask_handle, self.png, self.logits):
            case (str(handle), None, None):
                return HandleSource(MaskHandle.parse(handle))
            case (None, str(png), None):
                return PngSource(bytes_of(png, "mask.png"))
            case (None, None, str(logits)):
                return LogitsSource(bytes_of(logits, "mask.logits"))
        raise InvalidPrompt("mask needs exactly one of mask_handle, png and logits.", field="mask")


class MaskOutput(Request):
    """Which forms masks come in."""

    formats: list[Literal["rle", "png", "cropped_png", "polygons", "low_res_logits"]] = Field(
        default_factory=list, description="The forms; none means 'rle'."
    )
    polygon_tolerance: float = Field(
        default=0.0,
        description="How far, in pixels, a simplified outline may lie from the true one: 0 to 100. "
        "0 means exact outlines, along the edges of pixels.",
    )
    polygon_min_area: int = Field(default=0, description="Parts and holes of fewer pixels are left out of polygons.")
    mask_handles: bool | None = Field(
        default=None,
        description="Whether masks come with handles; null means that they do, but not those of batches. Say "
        "no where nobody will refine them: "
        "the server then keeps nothing.",
    )

    def to_domain(self) -> DomainOutput:
        """Read the forms. Raises InvalidRequest."""
        formats = frozenset(map(MaskFormat, self.formats))
        return DomainOutput(formats, self.polygon_tolerance, self.polygon_min_area, handles=self.mask_handles)


class Prompt(Request):
    """What is pointed at: at least one point, a box or a mask."""

    points: list[Point] = Field(default_factory=list, description="Clicks, in the order of the user.")
    box: Box | None = Field(None, description="A box around the object.")
    mask: MaskPrompt | None = Field(None, description="A mask to start from, alone or with points and a box.")

    def to_domain(self, coordinates: domain.CoordinateSpace) -> domain.Prompt:
        """Read it. Raises InvalidRequest."""
        domain.refuse_absurd(len(self.points))
        points = tuple(domain.Point(point.x, point.y, point.label) for point in self.points)
        return domain.Prompt(
            points,
            None if self.box is None else self.box.to_domain(),
            None if self.mask is None else self.mask.to_domain(),
            coordinates,
        )


class Wishes(Request):
    """How prompts are to be read and answered."""

    coordinates: Literal["pixels", "normalized"] = Field(
        "pixels",
        description="What the numbers of points and box mean. 'pixels': of the oriented image; 'normalized': fractions "
        "of its width and height, 0 <= x < 1 for points, 0 <= x <= 1 for the edges of a box.",
    )
    multimask: Literal["auto", "single", "all", "stable"] = Field(
        "auto",
        description="'auto': one mask, the best of three where the prompt is ambiguous; "
        "'single': the model's single-mask output; 'all': every mask of the ambiguous output; "
        "'stable': the single-mask output where it is stable, else the best of three.",
    )
    model: str = Field("", description="Name of the model; empty means the server's default.")
    output: MaskOutput = Field(default_factory=MaskOutput, description="Which forms the masks come in.")


class SegmentRequest(Wishes, Prompt):
    """A prompt: at least one point, a box or a mask."""

    def to_query(self, image_id: ImageId) -> SegmentQuery:
        """Read what is asked of an image. Raises InvalidRequest."""
        prompt = self.to_domain(domain.CoordinateSpace(self.coordinates))
        return SegmentQuery(image_id, prompt, domain.Multimask(self.multimask), self.model, self.output.to_domain())
