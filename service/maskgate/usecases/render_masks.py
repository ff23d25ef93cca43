"""Scale masks up and write them in the forms that are asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from maskgate.domain.granularity import granularities
from maskgate.domain.mask import masks_of
from maskgate.usecases.write_mask import WriteMask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskgate.domain.call import Call
    from maskgate.domain.frame import Frame
    from maskgate.domain.mask import DecodedMasks
    from maskgate.domain.output import MaskOutput, RenderedMask
    from maskgate.ports import MaskEncoder, Offload
    from maskgate.usecases.admission import Admission


class RenderMasks:
    """Upscale, render; both beside the event loop, and so many at once: what it costs is the client's choice."""

    def __init__(self, *, encoder: MaskEncoder, offload: Offload, admission: Admission) -> None:
        self._write = WriteMask(encoder)
        self._offload = offload
        self._admission = admission

    async def __call__(
        self, decoded: DecodedMasks, frame: Frame, output: MaskOutput, *, call: Call
    ) -> tuple[RenderedMask, ...]:
        """Render what a decoder has answered, the highest predicted IoU first.

        Raises:
            Overloaded: Too many answers wait already.
        """
        async with self._admission.permit(call.tenant):
            return await self.admitted(decoded, frame, output)

    async def admitted(self, decoded: DecodedMasks, frame: Frame, output: MaskOutput) -> tuple[RenderedMask, ...]:
        """Do the same for a caller that holds a permit of another tier."""
        most = 1 if output.best_alone else None
        return await self._offload(
            lambda: _told_apart([self._write(mask, output) for mask in masks_of(decoded, frame, most=most)])
        )


def _told_apart(masks: Sequence[RenderedMask]) -> tuple[RenderedMask, ...]:
    """Say of several readings which is the whole, the part and the subpart."""
    if len(masks) == 1:
        return tuple(masks)
    names = granularities([mask.area for mask in masks])
    return tuple(replace(mask, granularity=name) for mask, name in zip(masks, names, strict=True))
