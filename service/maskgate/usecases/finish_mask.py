"""Make a mask of a candidate: scaled up, put in its place in the image, cleaned, and written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from maskgate.domain.generation.events import GeneratedMask
from maskgate.domain.mask import Mask
from maskgate.domain.regions import without_small_regions

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from maskgate.domain.generation.candidates import CandidateId
    from maskgate.domain.generation.screening import View
    from maskgate.domain.output import MaskOutput
    from maskgate.ports import Offload
    from maskgate.usecases.write_mask import WriteMask


@dataclass(frozen=True, slots=True)
class Chosen:
    """A candidate that became part of the result.

    Attributes:
        id: Its name.
        iou: Predicted.
        stability: The score that it passed the filter with.
        logits: fp16 [M, M].
    """

    id: CandidateId
    iou: float
    stability: float
    logits: npt.NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Finished:
    """A mask of the result, and whether small regions were removed from it."""

    found: GeneratedMask
    changed: bool


class FinishMask:
    """Computes beside the event loop."""

    def __init__(self, *, write: WriteMask, offload: Offload) -> None:
        self._write = write
        self._offload = offload

    async def __call__(self, chosen: Chosen, view: View, output: MaskOutput) -> Finished:
        """Finish one."""
        return await self._offload(lambda: self._finished(chosen, view, output))

    def _finished(self, chosen: Chosen, view: View, output: MaskOutput) -> Finished:
        mask = Mask.from_logits(chosen.logits, iou=chosen.iou, frame=view.frame, token=chosen.id.token)
        region = view.crop.region
        placed = mask.runs.placed(region.left, region.top, view.image)
        smallest = view.settings.min_mask_region_area
        cleaned = without_small_regions(placed, smallest) if smallest else placed
        written = self._write(replace(mask, runs=cleaned), output)
        scored = replace(written, stability_score=chosen.stability)
        return Finished(GeneratedMask(chosen.id, scored, view.point(chosen.id), region), cleaned is not placed)
