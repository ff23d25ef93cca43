from pathlib import Path

import numpy as np
import pytest

from maskforge.annotations import BoolMask
from maskforge.evaluation.overlap import Truth, iou
from maskforge.evaluation.ports import Prompt, Tokens
from maskforge.evaluation.protocol import measure
from tests.unit.forge.evaluation.world import FakePredictor, photo_of, rectangle

ALL = np.ones((1, 4), np.bool_)
LEFT, TOP, EVERYTHING = (slice(None), slice(0, 32)), (slice(0, 16), slice(None)), (slice(None), slice(None))


@pytest.fixture
def left() -> BoolMask:
    return rectangle(32, 64, *LEFT)


def _predictor(*masks: BoolMask) -> FakePredictor:
    return FakePredictor(masks, (0.99, 0.9, 0.1, 0.2))


def test_each_figure_takes_its_token(tmp_path: Path, left: BoolMask) -> None:
    """Of four tokens the first is the single mask; the oracle and the choice are among the other three."""
    top, everything = rectangle(32, 64, *TOP), rectangle(32, 64, *EVERYTHING)
    nothing = np.zeros_like(left)
    (record,) = measure(photo_of(tmp_path, left), _predictor(left, top, everything, nothing))

    expected = {
        "box": 1 / 3,
        "box_single": 1,
        "box_refined": 1,
        "click": 1 / 3,
        "click_single": 1,
        "click_oracle": 1 / 2,
    }
    assert expected == {figure: record.ious[figure] for figure in expected}
    assert (0.9, 0.5, 1 / 3) == record.estimates["click"]


def test_a_box_is_refined_by_itself_and_its_mask(tmp_path: Path, left: BoolMask) -> None:
    """The second time the same box comes with the mask that was chosen the first time, and one mask is asked for."""
    predictor = _predictor(left, left, left, left)
    measure(photo_of(tmp_path, left), predictor)

    box = (0, 0, 32, 32)
    assert ([Prompt(box=box)], Tokens.ALL) == predictor.asked[0]
    assert ([Prompt(box=box, start="token 1")], Tokens.SINGLE) == predictor.asked[1]


def test_clicks_go_where_most_is_wrong(tmp_path: Path, left: BoolMask) -> None:
    """What was found is the upper half: the middle of what is missed is clicked first, then it is clicked again."""
    top = rectangle(32, 64, *TOP)
    predictor = _predictor(top, top, top, top)
    (record,) = measure(photo_of(tmp_path, left), predictor)

    (second,), tokens = predictor.asked[3]
    assert Tokens.SINGLE is tokens
    assert "token 1" == second.start
    (_, one), (x, y, label) = second.points[0][:2], second.points[1]
    assert 14 <= one <= 17
    assert (1, True) == (label, x < 32 and y >= 16) or (0, True) == (label, x >= 32 and y < 16)
    assert [2, 3, 4, 5, 6, 7, 8] == [len(prompts[0].points) for prompts, _ in predictor.asked[3:]]
    assert {"clicks_3": 1 / 3, "clicks_5": 1 / 3, "clicks_8": 1 / 3} == {
        figure: value for figure, value in record.ious.items() if figure.startswith("clicks_")
    }


def test_what_is_perfect_is_not_clicked_again(tmp_path: Path, left: BoolMask) -> None:
    """Where nothing is wrong there is nothing to click on, and the mask stays."""
    predictor = _predictor(left, left, left, left)
    (record,) = measure(photo_of(tmp_path, left), predictor)

    assert 3 == len(predictor.asked)
    assert 1 == record.ious["clicks_8"]


def test_a_photo_with_many_masks_is_asked_in_parts(tmp_path: Path, left: BoolMask) -> None:
    """Sixteen prompts go at once, and every mask has its record, in order."""
    predictor = _predictor(left, left, left, left)
    records = measure(photo_of(tmp_path, *[left] * 20), predictor)

    assert list(range(20)) == [record.index for record in records]
    assert [16, 16, 16, 4, 4, 4] == [len(prompts) for prompts, _ in predictor.asked]


def test_errors_that_do_not_count_are_not_clicked(tmp_path: Path, left: BoolMask) -> None:
    """A mask that is wrong on ignored pixels alone is perfect."""
    top = rectangle(32, 64, *TOP)
    predictor = _predictor(top, top, top, top)
    (record,) = measure(photo_of(tmp_path, left, ignore=left ^ top), predictor)

    assert 3 == len(predictor.asked)
    assert 1 == record.ious["click"]


def test_ignored_pixels_are_left_out() -> None:
    """Of four pixels one is common, one is wrong and one wrong one does not count."""
    predicted = np.array([[True, True, True, False]])
    truth = np.array([[True, False, False, False]])
    counted = np.array([[True, True, False, True]])
    assert iou(predicted, Truth(truth, counted)) == 0.5


def test_nothing_found_where_nothing_counts_is_right() -> None:
    """Two empty masks agree."""
    assert iou(~ALL, Truth(~ALL, ALL)) == 1.0
