"""Which forms masks come in, and masks in those forms."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from maskgate.domain.errors import InvalidRequest

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from maskgate.domain.granularity import Granularity
    from maskgate.domain.mask_handle import MaskHandle
    from maskgate.domain.outline import Polygon
    from maskgate.domain.prompt import Box
    from maskgate.domain.rle import Rle

_COARSEST = 100.0
_LARGEST = 2**63 - 1
"""What the contract's int64 holds: REST's numbers have no end."""


class MaskFormat(enum.Enum):
    """A form of a mask."""

    COCO_RLE = "rle"
    PNG = "png"
    CROPPED_PNG = "cropped_png"
    POLYGONS = "polygons"
    LOW_RES_LOGITS = "low_res_logits"


@dataclass(frozen=True, slots=True)
class MaskOutput:
    """Which forms masks come in.

    Attributes:
        formats: The forms; none means COCO's run-length encoding.
        polygon_tolerance: How far, in pixels, a simplified outline may lie from the true one, 0 to 100.
        polygon_min_area: Parts and holes of fewer pixels are left out of polygons.
        best_alone: Only the mask of the highest predicted IoU is wanted.
        handles: Whether masks are to be kept, so that the next prompt can start from one; None leaves it to the call.

    Raises:
        InvalidRequest: The tolerance is no number from 0 to 100, or the area is below 0.
    """

    formats: frozenset[MaskFormat] = frozenset()
    polygon_tolerance: float = 0.0
    polygon_min_area: int = 0
    best_alone: bool = False
    handles: bool | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.polygon_tolerance) and 0 <= self.polygon_tolerance <= _COARSEST):
            raise InvalidRequest(
                f"output.polygon_tolerance is {self.polygon_tolerance:g}; it is 0 to {_COARSEST:g} pixels.",
                field="output.polygon_tolerance",
                limit=f"{_COARSEST:g}",
            )
        if not 0 <= self.polygon_min_area <= _LARGEST:
            raise InvalidRequest(
                f"output.polygon_min_area is {self.polygon_min_area}; it is 0 to 2**63 - 1 pixels.",
                field="output.polygon_min_area",
            )

    def wants(self, form: MaskFormat) -> bool:
        """Tell whether masks are to come in this form."""
        return form in (self.formats or {MaskFormat.COCO_RLE})


@dataclass(frozen=True, slots=True)
class CroppedPng:
    """A part of an image as PNG of one channel; its top left pixel is pixel (x, y) of the image."""

    png: bytes
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class LowResLogits:
    """Logits of a mask in the model's square frame; above 0 is foreground.

    Attributes:
        data: fp16 [side, side], little-endian, rows first.
        side: M, the side of the square.
        valid_width: How many columns from the left hold the image; the rest is padding.
        valid_height: How many rows from the top hold the image.
    """

    data: bytes
    side: int
    valid_width: float
    valid_height: float


@dataclass(frozen=True, slots=True)
class RenderedMask:
    """A mask at the size of the oriented image, in the forms that were asked for; the others are None.

    Attributes:
        predicted_iou: The model's estimate of the intersection over union with what was meant.
        stability_score: How little the mask changes with its threshold, 0 to 1 (domain/stability.py).
        token: Which of the decoder's outputs it is: 0 the single mask, 1 and on those of the ambiguous output.
        area: Number of pixels.
        box: The smallest rectangle around the mask; None where it is empty.
        rle: COCO's run-length encoding.
        png: PNG of one channel at the size of the image, 255 on the mask.
        cropped_png: The part inside the box as such a PNG; None for an empty mask, too.
        polygons: The mask's parts with their holes, the largest first.
        low_res_logits: What the mask was made of.
        granularity: How much of a thing it is beside the other readings of the prompt; None where it is the only mask.
        handle: By what name the next prompt can start from it; no part of the mask.
    """

    predicted_iou: float
    stability_score: float
    token: int
    area: int
    box: Box | None
    rle: Rle | None = None
    png: bytes | None = None
    cropped_png: CroppedPng | None = None
    polygons: tuple[Polygon, ...] | None = None
    low_res_logits: LowResLogits | None = None
    granularity: Granularity | None = None
    handle: MaskHandle | None = field(default=None, compare=False)

    @property
    def pixels(self) -> npt.NDArray[np.bool_]:
        """The mask, bool [H, W].

        Raises:
            ValueError: It was not asked for as COCO's run-length encoding.
        """
        if self.rle is None:
            raise ValueError("the mask was not asked for as run-length encoding")
        return self.rle.decode()
