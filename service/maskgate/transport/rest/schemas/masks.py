"""What is found in images."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Literal, TypeVar

from pydantic import BaseModel, Field

from maskgate.transport.rest.schemas.prompts import Box
from maskgate.transport.rest.schemas.timing import Timing

if TYPE_CHECKING:
    from collections.abc import Callable

    from maskgate.domain import outline, output, rle
    from maskgate.usecases.segment import Segmentation


_T = TypeVar("_T")
_Written = TypeVar("_Written")


class Rle(BaseModel):
    """A mask in COCO's compressed run-length encoding, as pycocotools takes it."""

    size: tuple[int, int] = Field(description="[height, width]")
    counts: str = Field(description="The compressed counts; runs go down the columns first.")

    @classmethod
    def of(cls, encoded: rle.Rle) -> Rle:
        """Write an encoding."""
        return cls(size=(encoded.height, encoded.width), counts=encoded.counts)


class CroppedPng(BaseModel):
    """A part of an image as PNG of one channel."""

    png: str = Field(description="The file, base64.")
    x: int = Field(description="Left edge of the part in the image, in pixels.")
    y: int = Field(description="Top edge of the part in the image, in pixels.")

    @classmethod
    def of(cls, crop: output.CroppedPng) -> CroppedPng:
        """Write a part."""
        return cls(png=_text(crop.png), x=crop.x, y=crop.y)


class Polygon(BaseModel):
    """One part of a mask: rings of x and y in turn, in pixels, whose last point is joined to the first."""

    exterior: tuple[int, ...] = Field(description="The outline, clockwise as seen on a screen.")
    holes: tuple[tuple[int, ...], ...] = Field(description="The outlines of holes, counter-clockwise.")
    area: int = Field(description="Pixels of the part, before it is simplified and before small holes are left out.")

    @classmethod
    def of(cls, polygon: outline.Polygon) -> Polygon:
        """Write a part."""
        return cls(exterior=polygon.exterior, holes=polygon.holes, area=polygon.area)


class LowResLogits(BaseModel):
    """Logits of a mask in the model's square frame; above 0 is foreground."""

    data: str = Field(description="Half-precision floats, little-endian, rows first, base64.")
    side: int = Field(description="Side of the square.")
    valid_width: float = Field(description="How many columns from the left hold the image; the rest is padding.")
    valid_height: float = Field(description="How many rows from the top hold the image.")

    @classmethod
    def of(cls, logits: output.LowResLogits) -> LowResLogits:
        """Write logits."""
        return cls(
            data=_text(logits.data),
            side=logits.side,
            valid_width=logits.valid_width,
            valid_height=logits.valid_height,
        )


class Mask(BaseModel):
    """One mask at the size of the oriented image. Forms that were not asked for are null."""

    rle: Rle | None = Field(description="COCO's run-length encoding; also where no form was asked for.")
    predicted_iou: float = Field(description="The model's estimate of its own IoU, about 0 to 1.")
    stability_score: float = Field(
        description="How little the mask changes with its threshold, 0 to 1: logits above +1 by those above -1."
    )
    token: int = Field(description="Which of the decoder's outputs it is: 0 the single mask, 1 and on the ambiguous.")
    mask_handle: str | None = Field(
        description="A name for the mask's logits, which the server keeps for a while: `mask.mask_handle` of the next "
        "prompt on this image and model can be this. Null where handles were declined."
    )
    area: int = Field(description="Number of pixels.")
    box: Box | None = Field(description="The smallest rectangle around the mask; null where it is empty.")
    png: str | None = Field(description="PNG of one channel at the size of the image, 255 on the mask; base64.")
    cropped_png: CroppedPng | None = Field(description="The part inside the box; null also for an empty mask.")
    polygons: list[Polygon] | None = Field(description="The parts of the mask, the largest first.")
    low_res_logits: LowResLogits | None = Field(description="What the mask was made of.")
    granularity: Literal["whole", "part", "subpart"] | None = Field(
        description="Which reading of an ambiguous prompt it is, by area; null where there is but one mask."
    )

    @classmethod
    def of(cls, mask: output.RenderedMask) -> Mask:
        """Write a mask."""
        return cls(
            rle=_if_any(Rle.of, mask.rle),
            predicted_iou=mask.predicted_iou,
            stability_score=mask.stability_score,
            token=mask.token,
            mask_handle=_if_any(str, mask.handle),
            area=mask.area,
            box=_if_any(Box.of, mask.box),
            png=_if_any(_text, mask.png),
            cropped_png=_if_any(CroppedPng.of, mask.cropped_png),
            polygons=None if mask.polygons is None else [Polygon.of(polygon) for polygon in mask.polygons],
            low_res_logits=_if_any(LowResLogits.of, mask.low_res_logits),
            granularity=None if mask.granularity is None else mask.granularity.value,
        )


class SegmentResponse(BaseModel):
    """The masks of one prompt."""

    image_id: str
    model: str = Field(description="Name of the model that was used.")
    width: int = Field(description="Width of the oriented image, and of its masks, in pixels.")
    height: int = Field(description="Height of the oriented image, and of its masks, in pixels.")
    masks: list[Mask] = Field(description="Highest predicted IoU first; never empty.")
    timing: Timing

    @classmethod
    def of(cls, segmentation: Segmentation) -> SegmentResponse:
        """Write the answer to a prompt."""
        return cls(
            image_id=str(segmentation.image_id),
            model=segmentation.model,
            width=segmentation.size.width,
            height=segmentation.size.height,
            masks=[Mask.of(mask) for mask in segmentation.masks],
            timing=Timing.of(segmentation.timing),
        )


def _text(content: bytes) -> str:
    return b64encode(content).decode("ascii")


def _if_any(write: Callable[[_T], _Written], value: _T | None) -> _Written | None:
    return None if value is None else write(value)
