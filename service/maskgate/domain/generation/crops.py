"""Parts of an image that are looked at by themselves, so that small things are seen larger."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from maskgate.domain.image import Region

if TYPE_CHECKING:
    import numpy.typing as npt

    from maskgate.domain.image import ImageSize

_EDGE_TOLERANCE = 20.0
"""Pixels; segment_anything/utils/amg.py, `is_box_near_crop_edge`."""


@dataclass(frozen=True, slots=True)
class Crop:
    """A part of an image.

    Attributes:
        index: Its place in the reference's order; 0 is the whole image.
        layer: Whose grid it gets.
        region: Where it lies.
    """

    index: int
    layer: int
    region: Region


def crops_of(size: ImageSize, layers: int, overlap_ratio: float) -> list[Crop]:
    """Return the whole image and its crops: `generate_crop_boxes` of segment_anything/utils/amg.py.

    In an image of fewer pixels than crops along a side some crops would lie beyond it; those are left out.
    """
    regions = [(0, Region(0, 0, size.width, size.height))]
    for layer in range(1, layers + 1):
        overlap = int(overlap_ratio * min(size.width, size.height) * (2 / 2**layer))
        regions += [(layer, region) for region in _layer(size, 2**layer, overlap)]
    crops = [Crop(index, layer, region) for index, (layer, region) in enumerate(regions)]
    return [crop for crop in crops if min(crop.region.size.width, crop.region.size.height) > 0]


def smallest_first(crops: list[Crop]) -> list[Crop]:
    """Order crops as the reference prefers their masks (`scores = 1 / box_area(crop_boxes)`), equal ones as they are.

    Decoded in this order, what a crop finds is never replaced by what a later one does.
    """
    return sorted(crops, key=lambda crop: crop.region.area)


def near_crop_edge(boxes: npt.NDArray[np.float32], region: Region, size: ImageSize) -> npt.NDArray[np.bool_]:
    """Tell which boxes, in pixels of the image, end where the crop does and the image does not: bool [n].

    The thing goes on beyond the crop, so its mask is cut off. `is_box_near_crop_edge` of the reference.
    """
    near_crop = np.abs(boxes - np.array(region.edges, np.float32)) <= _EDGE_TOLERANCE
    near_image = np.abs(boxes - np.array((0, 0, size.width, size.height), np.float32)) <= _EDGE_TOLERANCE
    near: npt.NDArray[np.bool_] = np.logical_or.reduce(near_crop & ~near_image, axis=1)
    return near


def _layer(size: ImageSize, per_side: int, overlap: int) -> list[Region]:
    width, height = (_length(side, per_side, overlap) for side in (size.width, size.height))
    lefts, tops = ([(length - overlap) * step for step in range(per_side)] for length in (width, height))
    return [
        Region(left, top, min(left + width, size.width), min(top + height, size.height))
        for left, top in product(lefts, tops)
    ]


def _length(side: int, per_side: int, overlap: int) -> int:
    return math.ceil((overlap * (per_side - 1) + side) / per_side)
