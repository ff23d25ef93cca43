from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from maskforge.sam.model import Prompts
from maskforge.training.exam import Question, examine, is_held_out, set_questions
from tests.unit.forge.training.world import Album, Rectangle, two_photos


def ask(album: Album) -> list[Question]:
    cache = album.cache()
    return set_questions(cache, cache.photos, 128)


def test_a_question_is_a_whole_photo_with_masks(tmp_path: Path) -> None:
    """Scaled to the frame; neither padding nor what is to be ignored counts."""
    rectangle = Rectangle((16, 8, 32, 16), ignored=(0, 0, 8, 32))
    (question,) = ask(Album(tmp_path).add((64, 32), [rectangle]))
    assert [[64, 128]] == question.valid_hw.tolist()
    assert [[[2 * 8, 8], [48, 24]]] == (question.boxes.point_coords[:, :2] / 2).tolist()
    assert (question.wanted[0].nonzero().amin(0).tolist(), 32 * 16) == ([8, 16], question.wanted.sum())
    assert 32 * (64 - 8) == question.counted.sum()
    x, y = question.clicks.point_coords[0, 0].int().tolist()
    assert question.wanted[0, y // 2, x // 2]


def test_small_masks_and_photos_without_larger_ones_are_not_asked_for(tmp_path: Path) -> None:
    """A thousandth of the photo is the least; of a source, no more than a dozen photos."""
    album = Album(tmp_path).add((100, 100), [Rectangle((5, 5, 2, 2))])
    for _ in range(13):
        album.add((40, 40), [Rectangle((5, 5, 20, 20))])
    album.add((40, 40), [Rectangle((5, 5, 20, 20))] * 9, "pets")
    questions = ask(album)
    assert [1] * 12 + [4] == [len(question.wanted) for question in questions]


@dataclass
class Knowing:
    """A student that is shown the questions: its first two masks are right, and it claims that the third is."""

    questions: Iterator[Question]

    def encode(self, image: Tensor, valid_hw: Tensor) -> Tensor:
        self.asked = next(self.questions)
        assert image is self.asked.image
        assert valid_hw is self.asked.valid_hw
        return torch.zeros(1, 1, 1, 1)

    def decode(self, embeddings: Tensor, prompts: Prompts) -> tuple[Tensor, Tensor]:
        right = torch.where(self.asked.wanted, 9.0, -9.0)
        assert len(embeddings) == len(prompts.point_labels) == len(right)
        return torch.stack([right, right, -right, -right], dim=1), torch.tensor([0.9, 0.2, 0.7, 0.1]).expand(
            len(right), -1
        )


def test_marks_tell_the_chosen_mask_from_the_best(tmp_path: Path) -> None:
    """Box and click are judged by the mask that claims most, the oracle by the best, five clicks by the single one."""
    questions = ask(two_photos(tmp_path))
    marks = examine(Knowing(iter(questions)), questions)  # type: ignore[arg-type]
    assert {"coco", "pets", "mean"} == set(marks)
    assert (0, 0, 1, 1) == marks["mean"][:4]
    assert pytest.approx(0.7) == marks["mean"].overrated


def test_no_questions_have_no_marks() -> None:
    """A run on a handful of photos may have none held out."""
    assert {} == examine(Knowing(iter([])), [])  # type: ignore[arg-type]


def test_one_photo_of_so_many_is_held_out(tmp_path: Path) -> None:
    """By its name, so that it is the same one on every machine; about as many as asked for."""
    photos = Album(tmp_path).add((9, 9), [Rectangle((1, 1, 5, 5))]).cache().photos
    named = [photos[0].__class__(f"{number}.jpg", *_rest(photos[0])) for number in range(2000)]
    held_out = sum(is_held_out(photo, 20) for photo in named)
    assert 70 < held_out < 130
    assert is_held_out(named[0], 1)


def _rest(photo: object) -> tuple[object, ...]:
    return tuple(getattr(photo, name) for name in ("source", "width", "height", "offset", "annotations"))
