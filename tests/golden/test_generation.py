"""Everything in an image, against `SamAutomaticMaskGenerator` on the same logits."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from maskgate.adapters.pillow import PillowImageDecoder
from maskgate.domain.generation.events import GeneratedMask, GenerationEvent, GenerationSummary, WithdrawnMask
from maskgate.domain.generation.query import Delivery, GenerationQuery
from maskgate.domain.generation.settings import GenerationSettings, PointGrid
from maskgate.domain.image import ImageId, ImageLimits, ImageSize
from tests.everything import Everything
from tests.fakes import inline
from tests.golden.amg import generator
from tests.golden.colour_model import ColourBackend, colour_sam

SIZE = ImageSize(151, 97)
OWN_GRID = np.random.default_rng(5).uniform(0, 1, (40, 2))
Bools = npt.NDArray[np.bool_]


def photo(size: ImageSize = SIZE, seed: int = 0) -> npt.NDArray[np.uint8]:
    """RGB [H,W,3]: rectangles and ellipses of many colours over each other, some noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : size.height, 0 : size.width]
    image = np.full((size.height, size.width, 3), 90.0)
    for number in range(14):
        cx, cy, rx, ry = rng.uniform(0, (size.width, size.height, size.width / 4, size.height / 3))
        far = np.maximum(abs(x - cx) / rx, abs(y - cy) / ry) if number % 2 else np.hypot((x - cx) / rx, (y - cy) / ry)
        image[far < 1] = rng.uniform(0, 255, 3)
    return (image + rng.normal(0, 2, image.shape)).clip(0, 255).astype(np.uint8)


def as_png(pixels: npt.NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


async def events_of(
    pixels: npt.NDArray[np.uint8], settings: GenerationSettings, delivery: Delivery
) -> list[GenerationEvent]:
    content = as_png(pixels)
    world = Everything(
        ColourBackend(),
        decoder=PillowImageDecoder(limits=ImageLimits(10**9, 10**9, 10**6), offload=inline),
        content=content,
    )
    query = GenerationQuery(ImageId.of(content), settings, delivery=delivery)
    return await world.events(query)


def result(events: list[GenerationEvent]) -> list[GeneratedMask]:
    """What a client has in the end that does what it is told."""
    found: dict[Any, GeneratedMask] = {}
    for event in events:
        if isinstance(event, GeneratedMask):
            found[event.id] = event
        elif isinstance(event, WithdrawnMask):
            del found[event.id]
    summary = events[-1]
    assert isinstance(summary, GenerationSummary)
    assert summary.masks == len(found)
    return [*found.values()]


CASES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "thresholds": {"pred_iou_thresh": 0.9, "stability_score_thresh": 0.6, "stability_score_offset": 1.5},
    "no thresholds": {"pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, "box_nms_thresh": 0.9},
    "own grid": {"point_grids": [OWN_GRID], "points_per_side": None, "stability_score_thresh": 0.7},
    "crops": {"crop_n_layers": 1, "stability_score_thresh": 0.8},
    "two layers": {
        "crop_n_layers": 2,
        "crop_n_points_downscale_factor": 2,
        "crop_overlap_ratio": 0.2,
        "crop_nms_thresh": 0.5,
        "stability_score_thresh": 0.8,
    },
    "small regions": {"min_mask_region_area": 60, "stability_score_thresh": 0.7},
    "crops and small regions": {"min_mask_region_area": 60, "crop_n_layers": 1, "stability_score_thresh": 0.7},
}


@pytest.mark.parametrize("delivery", Delivery)
@pytest.mark.parametrize("case", CASES)
async def test_masks_are_the_references(case: str, delivery: Delivery) -> None:
    """The same masks of the same points and tokens, pixel by pixel, whenever they are sent."""
    options = {"points_per_side": 9, "stability_score_thresh": 0.9, **CASES[case]}
    pixels = photo()
    expected = generator(colour_sam(), **options).generate(pixels)
    grids = options.pop("point_grids", None)
    own = () if grids is None else tuple(PointGrid(tuple(grid.ravel().tolist())) for grid in grids)

    masks = result(await events_of(pixels, GenerationSettings(point_grids=own, **options), delivery))

    assert len(expected) > 5
    actual = {(one.point.x, one.point.y, round(one.mask.predicted_iou, 6)): one for one in masks}
    assert {_key(one) for one in expected} == actual.keys()
    for one in expected:
        found = actual[_key(one)]
        np.testing.assert_array_equal(one["segmentation"], found.mask.pixels)
        x, y, width, height = one["crop_box"]
        assert (x, y, x + width, y + height) == found.crop.edges
    if delivery is Delivery.SETTLED:
        assert [_key(one) for one in expected] == list(actual)


def _key(one: dict[str, Any]) -> tuple[float, float, float]:
    x, y = one["point_coords"][0]
    return x, y, round(one["predicted_iou"], 6)
