"""Long prompts: the gateway's slots in our model, against the reference with the same weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import nn

from maskforge.export.triton_config import SLOT_BUCKETS
from maskforge.sam.config import SamConfig
from maskforge.sam.model import Prompts, Sam
from maskgate.domain.frame import Frame
from maskgate.domain.image import ImageSize
from maskgate.domain.prompt import Box, Point, Prompt, PromptSlots
from tests.golden.reference import Question, ReferenceSam

if TYPE_CHECKING:
    from collections.abc import Iterator

TOLERANCE = 1e-4
CONFIG = SamConfig()
SIZE = ImageSize(CONFIG.image_size, CONFIG.image_size)
BOX = Box(20, 30, 400, 350)


@pytest.fixture(scope="module")
def models() -> Iterator[tuple[ReferenceSam, Sam]]:
    torch.manual_seed(11)
    with torch.inference_mode():
        known = ReferenceSam(CONFIG).eval()
        model = Sam(CONFIG, nn.Identity()).eval()
        model.load_state_dict(known.state_dict(), strict=True)
        yield known, model


@pytest.mark.parametrize(
    ("count", "box", "bucket"), [(7, None, 8), (8, None, 16), (15, BOX, 32), (40, None, 64), (62, BOX, 64)]
)
def test_long_prompts_are_the_references(
    models: tuple[ReferenceSam, Sam], count: int, box: Box | None, bucket: int
) -> None:
    """However many slots stay empty, the masks are those that the reference finds with these points alone."""
    known, model = models
    numbers = np.random.default_rng(count)
    points = tuple(Point(*numbers.uniform(0, 1024, 2).astype(np.float32).tolist(), label % 2) for label in range(count))
    prompt, embedding = Prompt(points, box), torch.randn(1, 256, 64, 64)
    question = Question(
        torch.tensor([[(point.x, point.y) for point in points]]),
        torch.tensor([[float(point.label) for point in points]]),
        box and torch.tensor([[box.x1, box.y1, box.x2, box.y2]]),
    )
    slots = PromptSlots.fill(prompt, frame=Frame(SIZE, CONFIG.image_size), slots=bucket)

    masks, iou = model.decode(embedding, prompts_of(slots))

    expected, expected_iou = known.answer(embedding[0], question)
    assert bucket == min(width for width in SLOT_BUCKETS if width >= prompt.slots)
    np.testing.assert_allclose(masks[0, 0].numpy(), expected.numpy(), atol=TOLERANCE)
    np.testing.assert_allclose(iou[0, 0].numpy(), expected_iou.numpy(), atol=TOLERANCE)


def prompts_of(slots: PromptSlots) -> Prompts:
    return Prompts(
        torch.from_numpy(slots.coords)[None, None],
        torch.from_numpy(slots.labels)[None, None],
        torch.zeros(1, 1, CONFIG.mask_size, CONFIG.mask_size),
        torch.zeros(1, 1),
    )
