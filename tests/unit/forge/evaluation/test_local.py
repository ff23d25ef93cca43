from pathlib import Path

import numpy as np
import torch

from maskforge.evaluation.candidates import find_candidates, grid, suppress, without_duplicates
from maskforge.evaluation.local import LocalPredictor, stability
from maskforge.evaluation.ports import Prompt, Tokens
from maskforge.evaluation.proposals import average, matches, measure_proposals
from tests.unit.forge.evaluation.world import FakeModel, photo_of, rectangle


def _logits(*quarters: tuple[slice, slice]) -> torch.Tensor:
    masks = torch.full((len(quarters), 8, 8), -5.0)
    for mask, quarter in zip(masks, quarters, strict=True):
        mask[quarter] = 5.0
    return masks


TOP_LEFT, TOP, NOWHERE = (slice(0, 2), slice(0, 4)), (slice(0, 2), slice(None)), (slice(0), slice(0))
MODEL = (_logits(TOP_LEFT, TOP, TOP_LEFT, NOWHERE), (0.1, 0.9, 0.4, 0.3))


def test_prompts_are_laid_out_in_the_frame(tmp_path: Path) -> None:
    """A click has SAM's pad point, a box none; both are in the frame of 32 pixels, half of the photo's 64."""
    model = FakeModel(*MODEL)
    view = LocalPredictor(model).look_at(photo_of(tmp_path, rectangle(32, 64, slice(8), slice(8))))
    view.segment([Prompt(points=((10, 20, 1), (30, 4, 0)))], Tokens.ALL)
    view.segment([Prompt(box=(0, 0, 32, 32))], Tokens.ALL)

    clicks, box = model.decoded
    assert [((5, 10), 1), ((15, 2), 0), ((0, 0), -1)] == [
        (tuple(point), label) for point, label in zip(clicks.coords[0], clicks.labels[0], strict=True)
    ]
    np.testing.assert_array_equal([[[0, 0], [16, 16]]], box.coords)
    np.testing.assert_array_equal([[2, 3]], box.labels)
    ((frame, valid),) = model.encoded
    assert ((32, 32, 3), (16, 32)) == (frame.shape, valid)


def test_masks_come_back_at_the_photos_size(tmp_path: Path) -> None:
    """A quarter of the logits is a quarter of the photo; the single token is one mask, all tokens are four."""
    view = LocalPredictor(FakeModel(*MODEL)).look_at(photo_of(tmp_path, rectangle(32, 64, slice(8), slice(8))))
    ((single,),) = view.segment([Prompt(points=((1, 1, 1),))], Tokens.SINGLE)
    (answer,) = view.segment([Prompt(points=((1, 1, 1),))], Tokens.ALL)

    round_the_corner = single.pixels ^ rectangle(32, 64, slice(16), slice(32))
    assert round_the_corner.sum() < 8
    assert [506, 1024, 506, 0] == [int(found.pixels.sum()) for found in answer]
    assert [1.0, 1.0, 1.0, 0.0] == [found.stability for found in answer]


def test_a_correction_brings_the_logits(tmp_path: Path) -> None:
    """What the next prompt starts from goes in as it came out; the first prompt brings nothing."""
    model = FakeModel(*MODEL)
    view = LocalPredictor(model).look_at(photo_of(tmp_path, rectangle(32, 64, slice(8), slice(8))))
    prompt = Prompt(points=((1, 1, 1),))
    ((found,),) = view.segment([prompt], Tokens.SINGLE)
    view.segment([prompt.corrected(found, (2, 2, 0))], Tokens.SINGLE)

    first, second = model.decoded
    masks, counts = second.mask_input(8)
    np.testing.assert_array_equal(MODEL[0][None, :1].numpy(), masks)
    assert ([[1.0]], [[0.0]]) == (counts.tolist(), first.mask_input(8)[1].tolist())


def test_stability_is_the_share_that_stays() -> None:
    """Two cells above +1 and four above -1 are one half; no mask is none."""
    logits = torch.tensor([[[2.0, 2.0, 0.0, 0.5], [-9.0] * 4], [[-9.0] * 4, [-9.0] * 4]])

    assert [0.5, 0.0] == stability(logits).tolist()


def test_a_grid_is_clicked_in_the_middle_of_its_cells(tmp_path: Path) -> None:
    """Two points a side: at a quarter and three quarters."""
    photo = photo_of(tmp_path, rectangle(32, 64, slice(8), slice(8)))

    assert [(16, 8), (48, 8), (16, 24), (48, 24)] == [prompt.points[0][:2] for prompt in grid(photo, 2)]


def test_candidates_are_the_readings_that_have_a_pixel(tmp_path: Path) -> None:
    """Of the three readings one is empty; duplicates go, and the best predicted IoU stays."""
    photo = photo_of(tmp_path, rectangle(32, 64, slice(8), slice(8)))
    found = find_candidates(photo, LocalPredictor(FakeModel(*MODEL)).look_at(photo), 2)
    kept = without_duplicates(found, 0.7)

    assert (8, 2) == (len(found.logits), len(kept.logits))
    assert [[0, 0, 8, 2], [0, 0, 4, 2]] == kept.boxes.tolist()


def test_boxes_that_overlap_too_much_are_suppressed() -> None:
    """The second overlaps the first by .8, the third the second alone."""
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 8], [0, 0, 10, 6]])

    assert [0, 2] == suppress(boxes, 0.7).tolist()
    assert [0, 1, 2] == suppress(boxes, 0.8).tolist()


def test_each_mask_is_found_by_one_proposal() -> None:
    """The first proposal takes the mask that it overlaps most; the second cannot have it again."""
    overlaps = np.array([[0.9, 0.0], [0.8, 0.6]])

    assert (2, 2, 2, 1, 1, 1, 1, 1, 1, 0) == matches(overlaps[:, ::-1])
    assert (1,) * 9 + (0,) == matches(overlaps[:1])
    assert (0,) * 10 == matches(overlaps[:0])


def test_recall_is_averaged_over_thresholds_and_sources(tmp_path: Path) -> None:
    """One of two masks is found at every threshold."""
    masks = rectangle(32, 64, slice(16), slice(32)), rectangle(32, 64, slice(20, 32), slice(40, 64))
    photo = photo_of(tmp_path, *masks)
    recall = measure_proposals(photo, LocalPredictor(FakeModel(*MODEL)).look_at(photo))
    averaged = average([recall])

    assert (2, 2) == (recall.masks, recall.proposals)
    assert {100: 0.5, 1000: 0.5} == averaged.recall
