from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
import torch

from maskforge.evaluation.edges.photos import EdgePhoto
from maskforge.evaluation.local import LocalPredictor
from maskforge.evaluation.running import measure_edges, measure_recall
from tests.unit.forge.evaluation.world import FakeModel, photo_of, rectangle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LEFT = rectangle(32, 32, slice(None), slice(16))


class LeftHalves:
    """A subject whose every mask is the left half of the photo."""

    title = "left halves"

    @contextmanager
    def open(self) -> Iterator[LocalPredictor]:
        logits = torch.full((4, 8, 8), -5.0)
        logits[..., :4] = 5.0
        yield LocalPredictor(FakeModel(logits, (0.9, 0.8, 0.7, 0.6)))


def test_what_is_there_is_found_without_prompts(tmp_path: Path) -> None:
    """768 masks are one when duplicates are gone; it is the one to be found, and the other is not."""
    photo = photo_of(tmp_path, LEFT, ~LEFT)
    found = measure_recall([photo], LeftHalves(), processes=1)

    assert (0.5, 1.0) == (found.recall[100], found.proposals)


def test_edges_between_masks_are_scored(tmp_path: Path) -> None:
    """The border between the halves is where somebody drew it; the black photo's own pixels have no edge."""
    photo = photo_of(tmp_path, LEFT)
    bits = np.zeros((32, 32), np.uint16)
    bits[:, 16] = 1
    cv2.imwrite(str(tmp_path / "bits.png"), bits)
    found = measure_edges([EdgePhoto(photo, tmp_path / "bits.png", annotators=1)], LeftHalves(), processes=1)

    assert pytest.approx(1, abs=0.02) == found["masks"].ods
    assert 0 == found["pixels"].ods
