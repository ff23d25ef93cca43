"""Scale masks up and write them in the forms that are asked for: the one place that knows how."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskgate.domain.mask import masks_of
from maskgate.domain.outline import polygons
from maskgate.domain.output import CroppedPng, LowResLogits, MaskFormat, RenderedMask

if TYPE_CHECKING:
    from maskgate.domain.frame import Frame
    from maskgate.domain.mask import DecodedMasks, Mask
    from maskgate.domain.outline import Polygon
    from maskgate.domain.output import MaskOutput
    from maskgate.domain.runs import Runs
    from maskgate.ports import MaskEncoder, Offload
    from maskgate.usecases.admission import Admission


class RenderMasks:
    """Upscale, render; both beside the event loop, and so many at once: what it costs is the client's choice."""

    def __init__(self, *, encoder: MaskEncoder, offload: Offload, admission: Admission) -> None:
        self._encoder = encoder
        self._offload = offload
        self._admission = admission

    async def __call__(self, decoded: DecodedMasks, frame: Frame, output: MaskOutput) -> tuple[RenderedMask, ...]:
        """Render what a decoder has answered, the highest predicted IoU first.

        Raises:
            Overloaded: Too many answers wait already.
        """
        async with self._admission.permit():
            return await self.admitted(decoded, frame, output)

    async def admitted(self, decoded: DecodedMasks, frame: Frame, output: MaskOutput) -> tuple[RenderedMask, ...]:
        """Do the same for a caller that holds a permit of another tier."""
        most = 1 if output.best_alone else None
        return await self._offload(
            lambda: tuple(self._render(mask, output) for mask in masks_of(decoded, frame, most=most))
        )

    def _render(self, mask: Mask, output: MaskOutput) -> RenderedMask:
        runs = mask.runs
        return RenderedMask(
            predicted_iou=mask.predicted_iou,
            stability_score=mask.stability_score,
            token=mask.token,
            area=runs.area,
            box=runs.box,
            rle=runs.rle() if output.wants(MaskFormat.COCO_RLE) else None,
            png=self._encoder.png(runs.pixels()) if output.wants(MaskFormat.PNG) else None,
            cropped_png=self._cropped(runs) if output.wants(MaskFormat.CROPPED_PNG) else None,
            polygons=_outlined(runs, output) if output.wants(MaskFormat.POLYGONS) else None,
            low_res_logits=_low_res(mask) if output.wants(MaskFormat.LOW_RES_LOGITS) else None,
        )

    def _cropped(self, runs: Runs) -> CroppedPng | None:
        window = runs.window()
        return None if window is None else CroppedPng(self._encoder.png(window.pixels), window.left, window.top)


def _outlined(runs: Runs, output: MaskOutput) -> tuple[Polygon, ...]:
    return polygons(runs, tolerance=output.polygon_tolerance, min_area=output.polygon_min_area)


def _low_res(mask: Mask) -> LowResLogits:
    side = mask.logits.shape[-1]
    return LowResLogits(mask.logits.astype("<f2", copy=False).tobytes(), side, *mask.frame.valid_in(side))
