"""Write a mask in the forms that are asked for: the one place that knows how."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskgate.domain.outline import polygons
from maskgate.domain.output import CroppedPng, LowResLogits, MaskFormat, RenderedMask

if TYPE_CHECKING:
    from maskgate.domain.mask import Mask
    from maskgate.domain.outline import Polygon
    from maskgate.domain.output import MaskOutput
    from maskgate.domain.runs import Runs
    from maskgate.ports import MaskEncoder


class WriteMask:
    """Computes, so it is called beside the event loop."""

    def __init__(self, encoder: MaskEncoder) -> None:
        self._encoder = encoder

    def __call__(self, mask: Mask, output: MaskOutput) -> RenderedMask:
        """Write a mask."""
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
