"""What a generation may be told: the parameters of SamAutomaticMaskGenerator, by their names there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from maskgate.domain.errors import InvalidRequest
from maskgate.domain.generation.grid import point_grid

if TYPE_CHECKING:
    import numpy.typing as npt

_POINTS_PER_SIDE = 32
_MOST_POINTS_PER_SIDE = 128
_MOST_POINTS_PER_BATCH = 1024
_MOST_LAYERS = 3
_MOST_COORDINATES = 2 * 4 * _MOST_POINTS_PER_SIDE**2
_HIGHEST_OFFSET = 100.0
_LARGEST_OVERLAP = 0.9
_MOST_AREA = 2**31 - 1


def refuse_absurd(numbers: int) -> None:
    """Refuse a number of coordinates of grids before time is spent on reading them.

    Raises:
        InvalidRequest: No server takes as many.
    """
    if numbers > _MOST_COORDINATES:
        raise InvalidRequest(f"point_grids of {numbers} numbers are too long.", field="point_grids")


@dataclass(frozen=True, slots=True)
class PointGrid:
    """Points of one crop layer: x and y in turn, fractions of the crop's width and height, 0 to 1."""

    xy: tuple[float, ...]

    def points(self) -> npt.NDArray[np.float64]:
        """Return the points, float64 [n, 2]."""
        return np.array(self.xy, np.float64).reshape(-1, 2)


@dataclass(frozen=True, slots=True)
class GenerationSettings:
    """How everything is looked for; defaults are the reference's.

    Attributes:
        points_per_side: Points along a side of the grid, 1 to 128; None where there are grids of one's own, else 32.
        point_grids: A grid for each crop layer, instead.
        pred_iou_thresh: Masks must have a predicted IoU above this.
        stability_score_thresh: Masks must have at least this stability score.
        stability_score_offset: The shift of the threshold for the stability score.
        box_nms_thresh: Masks of one crop whose boxes have a higher IoU than this are duplicates.
        crop_n_layers: Layers of crops beside the whole image, 0 to 3; layer i has (2^i)^2 of them.
        crop_nms_thresh: As `box_nms_thresh`, for masks of different crops.
        crop_overlap_ratio: How far crops of the first layer overlap, as a fraction of the image's short side; those of
            further layers by half as much each.
        crop_n_points_downscale_factor: In layer n the points along a side are divided by this to the power of n.
        min_mask_region_area: Holes and islands of fewer pixels are removed; 0 removes nothing.
        points_per_batch: Prompts decoded at once; None leaves it to the server.

    Raises:
        InvalidRequest: A value is out of its range, or two do not go together.
    """

    points_per_side: int | None = None
    point_grids: tuple[PointGrid, ...] = ()
    pred_iou_thresh: float = 0.88
    stability_score_thresh: float = 0.95
    stability_score_offset: float = 1.0
    box_nms_thresh: float = 0.7
    crop_n_layers: int = 0
    crop_nms_thresh: float = 0.7
    crop_overlap_ratio: float = 512 / 1500
    crop_n_points_downscale_factor: int = 1
    min_mask_region_area: int = 0
    points_per_batch: int | None = None

    def __post_init__(self) -> None:
        for name in ("pred_iou_thresh", "stability_score_thresh", "box_nms_thresh", "crop_nms_thresh"):
            _check(name, getattr(self, name), 0.0, 1.0)
        _check("stability_score_offset", self.stability_score_offset, 0.0, _HIGHEST_OFFSET)
        _check("crop_n_layers", self.crop_n_layers, 0, _MOST_LAYERS)
        _check("crop_overlap_ratio", self.crop_overlap_ratio, 0.0, _LARGEST_OVERLAP)
        _check("crop_n_points_downscale_factor", self.crop_n_points_downscale_factor, 1, _MOST_POINTS_PER_SIDE)
        _check("min_mask_region_area", self.min_mask_region_area, 0, _MOST_AREA)
        if self.points_per_batch is not None:
            _check("points_per_batch", self.points_per_batch, 1, _MOST_POINTS_PER_BATCH)
        self._check_grids()

    def _check_grids(self) -> None:
        if self.points_per_side is not None:
            _check("points_per_side", self.points_per_side, 1, _MOST_POINTS_PER_SIDE)
        if not self.point_grids:
            self._check_downscaling()
            return
        if self.points_per_side is not None:
            raise InvalidRequest("points_per_side and point_grids exclude each other.", field="point_grids")
        if len(self.point_grids) != self.crop_n_layers + 1:
            raise InvalidRequest(
                f"There are {len(self.point_grids)} point_grids; {self.crop_n_layers} layers of crops and the whole "
                f"image need {self.crop_n_layers + 1}.",
                field="point_grids",
            )
        for index, grid in enumerate(self.point_grids):
            _check_grid(index, grid)

    def _check_downscaling(self) -> None:
        if not self._points_along(self.crop_n_layers):
            raise InvalidRequest(
                f"The grid of layer {self.crop_n_layers} has no points: crop_n_points_downscale_factor is too large.",
                field="crop_n_points_downscale_factor",
            )

    def _points_along(self, layer: int) -> int:
        per_side = _POINTS_PER_SIDE if self.points_per_side is None else self.points_per_side
        return int(per_side / self.crop_n_points_downscale_factor**layer)

    def grid(self, layer: int) -> npt.NDArray[np.float64]:
        """Return the points of a layer of crops, float64 [n, 2], fractions of the crop; layer 0 is the whole image."""
        return self.point_grids[layer].points() if self.point_grids else point_grid(self._points_along(layer))

    def count(self, layer: int) -> int:
        """Return how many points a crop of a layer has."""
        return len(self.point_grids[layer].xy) // 2 if self.point_grids else self._points_along(layer) ** 2

    def prompts(self) -> int:
        """Return how many points there are in all crops of all layers."""
        return sum(4**layer * self.count(layer) for layer in range(self.crop_n_layers + 1))

    def check_prompts(self, most: int) -> None:
        """Refuse more work than a server does for one call.

        Raises:
            InvalidRequest: There are more points than that.
        """
        if self.prompts() > most:
            raise InvalidRequest(
                f"{self.prompts()} points in all crops are too many: at most {most}.",
                prompts=self.prompts(),
                limit=most,
            )


def _check(name: str, value: float, lowest: float, highest: float) -> None:
    if not (math.isfinite(value) and lowest <= value <= highest):
        raise InvalidRequest(f"{name} is {value:g}; it is {lowest:g} to {highest:g}.", field=name)


def _check_grid(index: int, grid: PointGrid) -> None:
    field = f"point_grids[{index}]"
    if not grid.xy or len(grid.xy) % 2:
        raise InvalidRequest(f"{field} needs x and y in turn, of at least one point.", field=field)
    if not all(0 <= value <= 1 for value in grid.xy):
        raise InvalidRequest(f"{field} has a number that is no fraction of the crop, 0 to 1.", field=field)
