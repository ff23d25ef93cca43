"""What the automatic mask generator computes beside the masks, against the reference's own functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from maskgate.domain.frame import Frame
from maskgate.domain.generation.crops import crops_of, near_crop_edge
from maskgate.domain.generation.grid import point_grid
from maskgate.domain.generation.settings import GenerationSettings
from maskgate.domain.image import ImageSize, Region
from maskgate.domain.mask import Mask
from maskgate.domain.regions import without_small_regions
from maskgate.domain.runs import Runs
from maskgate.domain.stability import upscaled_stability_score
from maskgate.domain.upscale import upscaled_edges
from tests.golden.reference import amg
from tests.golden.test_amg_formulas import blobs

if TYPE_CHECKING:
    from types import ModuleType

Bools = npt.NDArray[np.bool_]

sides = st.integers(1, 4000)
frames = st.builds(
    Frame,
    st.builds(ImageSize, st.integers(1, 400), st.integers(1, 400)),
    st.sampled_from([256, 512, 1024]),
)


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    return amg()


@pytest.mark.parametrize("per_side", [1, 2, 3, 7, 32, 128])
def test_grids_are_the_references(reference: ModuleType, per_side: int) -> None:
    """Points are the reference's to the last bit, and in its order."""
    np.testing.assert_array_equal(reference.build_point_grid(per_side), point_grid(per_side))


@given(per_side=st.integers(1, 64), layers=st.integers(0, 3), factor=st.integers(1, 4))
def test_grids_of_layers_are_the_references(per_side: int, layers: int, factor: int) -> None:
    """Each layer's grid is coarser by the factor, rounded down."""
    assume(per_side >= factor**layers)
    settings = GenerationSettings(points_per_side=per_side, crop_n_layers=layers, crop_n_points_downscale_factor=factor)

    grids = [settings.grid(layer) for layer in range(layers + 1)]

    for expected, actual in zip(amg().build_all_layer_point_grids(per_side, layers, factor), grids, strict=True):
        np.testing.assert_array_equal(expected, actual)
    assert sum(4**layer * len(grid) for layer, grid in enumerate(grids)) == settings.prompts()


@given(width=sides, height=sides, layers=st.integers(0, 3), overlap=st.floats(0, 0.9))
def test_crops_are_the_references(width: int, height: int, layers: int, overlap: float) -> None:
    """Crops, their order and their layers are the reference's, but for those without a pixel, on which it fails."""
    boxes, numbers = amg().generate_crop_boxes((height, width), layers, overlap)
    expected = [
        (index, layer, tuple(box))
        for index, (layer, box) in enumerate(zip(numbers, boxes, strict=True))
        if box[0] < box[2] and box[1] < box[3]
    ]

    crops = crops_of(ImageSize(width, height), layers, overlap)

    assert expected == [(crop.index, crop.layer, crop.region.edges) for crop in crops]


@given(
    corners=st.lists(st.tuples(*[st.integers(0, 299)] * 4), min_size=1, max_size=20),
    crop=st.tuples(st.integers(0, 80), st.integers(0, 80), st.integers(120, 300), st.integers(120, 200)),
)
def test_cut_off_boxes_are_the_references(
    corners: list[tuple[int, int, int, int]], crop: tuple[int, int, int, int]
) -> None:
    """A box near an edge of its crop that is no edge of the image counts as cut off."""
    region, size = Region(*crop), ImageSize(300, 200)
    boxes = np.array(corners, np.float32)
    inside = torch.from_numpy(boxes) - torch.tensor([region.left, region.top, region.left, region.top])
    expected = amg().is_box_near_crop_edge(inside, list(crop), [0, 0, size.width, size.height])

    assert expected.tolist() == near_crop_edge(boxes, region, size).tolist()


@given(frame=frames, seed=st.integers(0, 2**32 - 1), height=st.sampled_from([0.1, 6.0]), shift=st.floats(-9, 3))
def test_boxes_are_those_of_the_mask(frame: Frame, seed: int, height: float, shift: float) -> None:
    """The edges that are found without the mask are the mask's own, also where it has hardly a pixel, or none."""
    logits = blobs(seed, height=height)[0].astype(np.float32) + np.float32(shift)
    box = Mask.from_logits(logits.astype(np.float16), iou=1.0, frame=frame).box
    expected = None if box is None else (box.x1, box.y1, box.x2, box.y2)

    assert expected == upscaled_edges(logits.astype(np.float16).astype(np.float32), frame)


@pytest.mark.parametrize("size", [ImageSize(700, 500), ImageSize(333, 640)], ids=str)
def test_scores_at_the_whole_size_are_the_references(reference: ModuleType, size: ImageSize) -> None:
    """Where it decides, the stability score is the reference's: that of the mask at the image's size."""
    frame, logits = Frame(size, 1024), blobs(3)[0]
    square = torch.nn.functional.interpolate(
        torch.from_numpy(logits.astype(np.float32))[None, None], (1024, 1024), mode="bilinear"
    )
    valid = square[..., : frame.valid.height, : frame.valid.width]
    upscaled = torch.nn.functional.interpolate(valid, (size.height, size.width), mode="bilinear")[0]

    actual = upscaled_stability_score(logits, frame)

    assert reference.calculate_stability_score(upscaled, 0.0, 1.0).item() == pytest.approx(actual, abs=1e-5)


@st.composite
def spotted(draw: st.DrawFn) -> Bools:
    """Masks [H, W] with holes and islands of many sizes."""
    height, width = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    coarse = rng.random((-(-height // 3), -(-width // 3))) < draw(st.floats(0, 1))
    noise = rng.random((height, width)) < draw(st.sampled_from([0, 0.05, 0.3]))
    return np.kron(coarse, np.ones((3, 3), bool))[:height, :width] ^ noise


@given(mask=spotted(), area=st.integers(1, 40))
def test_regions_are_the_references(mask: Bools, area: int) -> None:
    """Small holes are filled and small islands dropped as OpenCV's labels have it; corners connect."""
    filled, holes = amg().remove_small_regions(mask, area, mode="holes")
    expected, islands = amg().remove_small_regions(filled, area, mode="islands")
    runs = Runs.of(mask)

    cleaned = without_small_regions(runs, area)

    if islands and expected.sum() < area:  # of several largest islands either may stay
        assert expected.sum() == cleaned.area
    else:
        np.testing.assert_array_equal(expected, cleaned.pixels())
    assert (holes or islands) == (cleaned is not runs)


@given(mask=spotted(), left=st.integers(0, 9), top=st.integers(0, 9), more=st.integers(0, 5))
def test_masks_of_crops_are_put_in_place(mask: Bools, left: int, top: int, more: int) -> None:
    """A mask of a crop is the image's with nothing around the crop: `uncrop_masks`."""
    height, width = mask.shape
    size = ImageSize(left + width + more, top + height + more)
    expected = amg().uncrop_masks(
        torch.from_numpy(mask)[None], [left, top, left + width, top + height], size.height, size.width
    )[0]

    placed = Runs.of(mask).placed(left, top, size)

    np.testing.assert_array_equal(expected.numpy(), placed.pixels())
    assert Runs.of(expected.numpy()).rle() == placed.rle()
