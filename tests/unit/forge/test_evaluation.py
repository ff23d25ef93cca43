from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools import mask as run_lengths

from maskforge.annotations import Annotation, Photo, RgbImage
from maskforge.evaluation.predictors import Floats
from maskforge.evaluation.protocol import Outcome, Scores, Truth, evaluate_photo, iou
from maskforge.evaluation.report import MEAN, as_markdown, summarise

ALL = np.ones((1, 4), np.bool_)


class FakePredictor:
    """Answers every prompt with fixed rectangles and remembers what it was asked."""

    image_size = 32

    def __init__(self) -> None:
        self.asked: list[tuple[Floats, Floats]] = []

    def encode(self, frame: RgbImage, valid_hw: tuple[int, int]) -> tuple[int, int]:
        assert frame.shape == (32, 32, 3)
        return valid_hw

    def decode(self, embedding: tuple[int, int], coords: Floats, labels: Floats) -> tuple[torch.Tensor, torch.Tensor]:
        assert embedding == (16, 32)
        self.asked.append((coords, labels))
        logits = torch.full((len(labels), 4, 32, 32), -1.0)
        logits[:, 0, :16, :16] = 1.0
        logits[:, 1, :16, :] = 1.0
        logits[:, 2, :8, :16] = 1.0
        predicted = torch.tensor([0.0, 0.9, 0.1, 0.2]).expand(len(labels), 4)
        return logits, predicted


def _photo(folder: Path, mask: np.ndarray) -> Photo:
    path = folder / "photo.png"
    Image.new("RGB", (mask.shape[1], mask.shape[0])).save(path)
    encoded = run_lengths.encode(np.asfortranarray(mask.astype(np.uint8)))
    annotation = Annotation(int(mask.sum()), encoded, None)
    return Photo(path, mask.shape[1], mask.shape[0], "made up", (annotation,))


def test_a_photo_is_asked_a_click_and_a_box(tmp_path: Path) -> None:
    """Prompts are in the model's frame, and each token's mask is scored against the truth."""
    mask = np.zeros((32, 64), np.bool_)
    mask[:, :32] = True
    predictor = FakePredictor()
    (scores,) = evaluate_photo(_photo(tmp_path, mask), predictor)
    (click, click_labels), (box, box_labels) = predictor.asked
    np.testing.assert_array_equal([[1, -1]], click_labels)
    np.testing.assert_array_equal([[2, 3]], box_labels)
    np.testing.assert_array_equal([[[0, 0], [16, 16]]], box)
    assert np.all(np.abs(click[0, 0] - 8) <= 1)
    expected = Scores(box=0.5, box_single=1.0, click=0.5, click_oracle=0.5, click_single=1.0)
    assert tuple(scores) == pytest.approx(tuple(expected), abs=0.04)


def test_ignored_pixels_are_left_out() -> None:
    """Of four pixels one is common, one is wrong and one wrong one does not count."""
    predicted = np.array([[True, True, True, False]])
    truth = np.array([[True, False, False, False]])
    counted = np.array([[True, True, False, True]])
    assert iou(predicted, Truth(truth, counted)) == 0.5


def test_nothing_found_where_nothing_counts_is_right() -> None:
    """Two empty masks agree."""
    assert iou(~ALL, Truth(~ALL, ALL)) == 1.0


def test_the_oracle_takes_no_part_of_the_single_mask() -> None:
    """The oracle and the choice are among the multimask outputs only."""
    outcome = Outcome([0.9, 0.2, 0.6, 0.4], torch.tensor([0.99, 0.1, 0.2, 0.3]))
    assert (outcome.single, outcome.chosen, outcome.oracle) == (0.9, 0.4, 0.6)


def test_the_mean_is_over_sources_not_masks() -> None:
    """A source with three masks weighs as much as one with one."""
    photos = [Photo(Path(), 1, 1, source, ()) for source in ("many", "few", "few")]
    rows = summarise({"many": [Scores(*[0.0] * 5)] * 3, "few": [Scores(*[1.0] * 5)]}, photos)
    assert rows[MEAN].scores == Scores(*[0.5] * 5)
    assert (rows[MEAN].photos, rows[MEAN].masks, rows["few"].photos) == (3, 4, 2)
    assert as_markdown(rows).splitlines()[-1] == "| mean | 3 | 4 | 0.500 | 0.500 | 0.500 | 0.500 | 0.500 |"
