"""A user's own SAM: from Meta's file, by the command line, to masks over the wire, beside the model that we ship."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest

from maskforge.sam.image_encoder import VitConfig
from maskgate.domain.prompt import Point
from maskgate.domain.timing import CacheTier
from maskgate.stack import EmbeddedStack, StackConfig
from tests.e2e import photos
from tests.e2e.own_models import build, link_lite0, reference_logits, save_reference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import nn

    from maskgate.client import Client

VIT = VitConfig(width=768, depth=2, heads=12, global_blocks=(1,))
"""A windowed and a global block of ViT-B's width."""

CLICKS = (Point(160, 180), Point(60, 120))
SURE = 0.1
"""Logits of random weights have no scale of their own: a pixel is sure at so many standard deviations from 0."""


@dataclass(frozen=True, slots=True)
class Mine:
    """What the user has: Meta's model, and a Triton repository that serves it beside lite0."""

    reference: nn.Module
    repository: Path


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Mine:
    folder = tmp_path_factory.mktemp("mine")
    reference = save_reference(VIT, folder / "weights.pth")
    build("mine", folder / "weights.pth", folder / "repository")
    link_lite0(folder / "repository")
    return Mine(reference, folder / "repository")


@pytest.fixture(scope="module")
def stack(mine: Mine) -> Iterator[EmbeddedStack]:
    """The stack that serves both models, in the place of the one that serves lite0."""
    config = StackConfig(
        models=("lite0", "mine"),
        model_repository=mine.repository,
        grpc_port=0,
        http_port=0,
        triton_grpc_port=0,
        triton_metrics_port=0,
    )
    with EmbeddedStack(config) as running:
        yield running


def test_masks_are_those_of_the_reference(mine: Mine, client: Client) -> None:
    """A click gives the mask of Meta's own model in fp32, pixel for pixel wherever that model is sure."""
    content = photos.fresh("cat")
    image = client.image(content)
    expected = reference_logits(mine.reference, content, CLICKS)
    answers = [image.segment(points=[click], multimask="single", model="mine") for click in CLICKS]

    assert ((expected[0] > 0) != (expected[1] > 0)).mean() > 0.02  # else one answer would do for both
    for logits, answer in zip(expected, answers, strict=True):
        agree = answer.best.pixels == (logits > 0)
        assert agree[np.abs(logits) > SURE * logits.std()].mean() > 0.9999
        assert agree.mean() > 0.98


def test_models_keep_to_themselves(client: Client) -> None:
    """Each model encodes the same photo for itself, remembers its own embedding, and answers from it."""
    image = client.image(photos.fresh("bus"))
    truth = photos.truth("bus")
    models = ("lite0", "mine", "lite0", "mine")
    answers = [image.segment(box=truth.box, model=model) for model in models]

    assert [CacheTier.MISS] * 2 + [CacheTier.L1] * 2 == [answer.timing.cache_tier for answer in answers]
    assert [answer.found for answer in answers[:2]] == [answer.found for answer in answers[2:]]
    assert truth.iou(answers[0].best.pixels) > 0.8
    assert answers[0].found != answers[1].found
