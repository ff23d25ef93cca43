"""What is found in images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from maskgate.transport.rest.schemas.prompts import Box
from maskgate.transport.rest.schemas.timing import Timing

if TYPE_CHECKING:
    from maskgate.domain.mask import Mask as DomainMask
    from maskgate.usecases.segment import Segmentation


class Rle(BaseModel):
    """A mask in COCO's compressed run-length encoding, as pycocotools takes it."""

    size: tuple[int, int] = Field(description="[height, width]")
    counts: str = Field(description="The compressed counts; runs go down the columns first.")


class Mask(BaseModel):
    """One mask at the size of the oriented image."""

    rle: Rle
    predicted_iou: float = Field(description="The model's estimate of its own IoU, about 0 to 1.")
    area: int = Field(description="Number of pixels.")
    box: Box | None = Field(description="The smallest rectangle around the mask; null where it is empty.")

    @classmethod
    def of(cls, mask: DomainMask) -> Mask:
        """Write a mask."""
        rle = mask.rle
        return cls(
            rle=Rle(size=(rle.height, rle.width), counts=rle.counts),
            predicted_iou=mask.predicted_iou,
            area=mask.area,
            box=None if mask.box is None else Box.of(mask.box),
        )


class SegmentResponse(BaseModel):
    """The masks of one prompt."""

    image_id: str
    model: str = Field(description="Name of the model that was used.")
    masks: list[Mask] = Field(description="Highest predicted IoU first; never empty.")
    timing: Timing

    @classmethod
    def of(cls, segmentation: Segmentation) -> SegmentResponse:
        """Write the answer to a prompt."""
        return cls(
            image_id=str(segmentation.image_id),
            model=segmentation.model,
            masks=[Mask.of(mask) for mask in segmentation.masks],
            timing=Timing.of(segmentation.timing),
        )
