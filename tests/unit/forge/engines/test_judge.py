from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from maskforge.engines.folders import DECODER, DECODER_MULTI, ENCODER, PARTS
from maskforge.engines.judge import Judge
from maskforge.errors import GoldenMismatch
from tests.unit.forge.engines.world import FakeTensorRT, golden

if TYPE_CHECKING:
    from pathlib import Path

    from maskforge.engines.ports import Answers, Arrays


class Flipping(FakeTensorRT):
    """Turns the sign of some of an output's logits."""

    def __init__(self, output: str, pixels: int) -> None:
        super().__init__()
        self.output, self.pixels = output, pixels

    def run(self, plan: Path, inputs: Arrays) -> Answers:
        answers = {name: values.copy() for name, values in super().run(plan, inputs).items()}
        if self.output in answers:
            answers[self.output].reshape(-1)[: self.pixels] *= -1
        return answers


@pytest.fixture(name="plans")
def _plans(tmp_path: Path) -> Path:
    for part in PARTS:
        (tmp_path / part).write_text(part, encoding="utf-8")
    return tmp_path


def judge(tensorrt: FakeTensorRT, plans: Path) -> Judge:
    return Judge(tensorrt, golden(), plans / DECODER)


@pytest.mark.parametrize("part", PARTS)
def test_a_plan_that_computes_the_references_masks_passes(part: str, plans: Path) -> None:
    """Equal masks have an IoU of 1."""
    assert 1.0 == judge(FakeTensorRT(), plans)(part, plans / part)


@pytest.mark.parametrize("part", PARTS)
def test_a_plan_that_computes_other_masks_fails(part: str, plans: Path) -> None:
    """Opposite masks, of the plan itself or of what the decoder makes of its embedding, have nothing in common."""
    tensorrt = FakeTensorRT()
    tensorrt.defects[part] = -1.0

    with pytest.raises(GoldenMismatch, match=rf"The {part}'s plan .* IoU 0\.0000, at least 0\.99 is required"):
        judge(tensorrt, plans)(part, plans / part)


@pytest.mark.parametrize("part", [DECODER, DECODER_MULTI])
@pytest.mark.parametrize("output", ["low_res_masks", "best_mask"])
def test_every_mask_output_is_compared(part: str, output: str, plans: Path) -> None:
    """A plan whose masks are right but for one output's is not right."""
    with pytest.raises(GoldenMismatch):
        judge(Flipping(output, 64), plans)(part, plans / part)


def test_the_worst_prompt_decides(plans: Path) -> None:
    """A prompt that is wrong is not hidden by others that are right."""
    reference = golden().masks[0]
    pixels = int(np.concatenate([reference, reference[:1]]).sum())

    got = judge(Flipping("low_res_masks", 1), plans)._ious(DECODER, plans / DECODER)

    assert sorted(got) == pytest.approx([pixels / (pixels + 1) if not reference.flat[0] else 1 - 1 / pixels, 1.0])


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_numbers_that_are_not_finite_fail(part: str, number: float, plans: Path) -> None:
    """Not a number is not above 0 either, so an overflow would look like an empty mask."""
    tensorrt = FakeTensorRT()
    tensorrt.defects[part] = number

    with pytest.raises(GoldenMismatch, match="numbers are not finite in"):
        judge(tensorrt, plans)(part, plans / part)


def test_an_encoder_is_judged_by_masks(plans: Path) -> None:
    """An embedding that differs without changing a mask passes: cosine and error are not what a client sees."""

    class Tolerant(FakeTensorRT):
        def run(self, plan: Path, inputs: Arrays) -> Answers:
            if "image" in inputs:
                return super().run(plan, inputs)
            return super().run(plan, {**inputs, "image_embeddings": golden().image_embeddings})

    tensorrt = Tolerant()
    tensorrt.defects[ENCODER] = 1.25

    assert 1.0 == judge(tensorrt, plans)(ENCODER, plans / ENCODER)
