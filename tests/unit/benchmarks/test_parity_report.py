"""The parity report: what it makes of figures, without measuring any."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.parity import __main__ as parity
from benchmarks.parity.engines import Answer, Outcome
from benchmarks.parity.figures import EmbeddingFigures, Figures, MaskFigures, compare
from benchmarks.parity.records import ONNX_RUNTIME, TORCH, TRITON, Record, Row, load, missed, save
from benchmarks.parity.report import render
from maskforge.sam.precision import Precision

if TYPE_CHECKING:
    from pathlib import Path

MASKS = MaskFigures(
    logit_max_error=2e-5,
    logit_beyond_rounding=1e-5,
    logit_relative_error=1e-6,
    mask_iou_mean=0.999,
    mask_iou_min=0.99,
    iou_max_error=1e-6,
)
GOOD = Figures(EmbeddingFigures(cosine=0.99999, max_error=1e-3), MASKS, MASKS)
FAR = replace(MASKS, logit_max_error=3e-3)
RECORD = Record(
    model="tiny",
    weights="trained on nothing",
    reference="a friend",
    inputs=("test card",),
    trained=True,
    depth=None,
    embedding_size=1.0,
    logit_size=8.0,
    versions={"torch": "1.0"},
    minutes=0.1,
    rows=(Row(Precision.FP32, TORCH, GOOD),),
)


def record(*rows: Row, trained: bool = True) -> Record:
    return replace(RECORD, rows=rows, trained=trained)


# Bounds


def test_figures_within_their_bounds_are_not_missed() -> None:
    """What is near enough is nobody's concern, and the page says so."""
    page = render([RECORD])

    assert [] == missed([RECORD])
    assert "✓ Every bound is kept by what was measured." in page
    assert "| fp32 | torch | 2.0e-05 ✓ |" in page


@pytest.mark.parametrize(
    ("row", "figure"),
    [
        (Row(Precision.FP32, TORCH, replace(GOOD, given=FAR)), "given.logit_max_error"),
        (Row(Precision.FP32, ONNX_RUNTIME, replace(GOOD, through=FAR)), "through.logit_max_error"),
        (
            Row(Precision.FP32, TRITON, replace(GOOD, given=replace(MASKS, logit_beyond_rounding=2e-4))),
            "given.logit_beyond_rounding",
        ),
        (Row(Precision.BF16, TRITON, replace(GOOD, embedding=EmbeddingFigures(0.998, 0.1))), "embedding.cosine"),
        (Row(Precision.BF16, TRITON, replace(GOOD, embedding=EmbeddingFigures(float("nan"), 0.1))), "embedding.cosine"),
        (
            Row(Precision.BF16, TORCH, replace(GOOD, through=replace(MASKS, mask_iou_mean=0.994))),
            "through.mask_iou_mean",
        ),
    ],
)
def test_a_missed_bound_is_named_and_marked(row: Row, figure: str) -> None:
    """It stands in the list of what is missed and carries a cross in its table; no number at all is missed too."""
    (line,) = missed([record(row)])
    page = render([record(row)])

    assert figure in line
    assert 1 == sum(line.count("✗") for line in page.splitlines() if line.startswith("|"))
    assert "✗ Missed, 1 in number" in page


def test_only_fp32_has_a_bound_on_logits() -> None:
    """Low precision moves logits; what counts is the masks."""
    assert [] == missed([record(Row(Precision.BF16, TORCH, replace(GOOD, given=FAR, through=FAR)))])


def test_served_fp32_is_held_to_what_rounding_does_not_explain() -> None:
    """Triton's answers are fp16: their own rounding is not held against them."""
    assert [] == missed([record(Row(Precision.FP32, TRITON, replace(GOOD, given=FAR, through=FAR)))])


def test_masks_of_random_weights_have_no_bound() -> None:
    """They are noise."""
    noise = replace(MASKS, mask_iou_mean=0.5)

    assert [] == missed([record(Row(Precision.BF16, TORCH, replace(GOOD, given=noise, through=noise)), trained=False)])


def test_what_is_not_supported_is_told_and_what_failed_is_missed() -> None:
    """An engine may lack a type, and says so; an engine that breaks is a failure."""
    rows = (
        Row(Precision.BF16, ONNX_RUNTIME, note="not supported: no | kernel\nat all"),
        Row(Precision.BF16, TRITON, note="StackError: it died", failed=True),
    )
    page = render([record(*rows)])

    assert ["tiny, bf16, OpenVINO in Triton: StackError: it died"] == missed([record(*rows)])
    assert "| bf16 | ONNX Runtime | not supported |" in page
    assert "- bf16, ONNX Runtime: not supported: no \\| kernel at all" in page
    assert "| bf16 | OpenVINO in Triton | ✗ failed |" in page


def test_tables_have_a_cell_for_each_heading() -> None:
    """A row without figures does not break its table."""
    page = render([record(*RECORD.rows, Row(Precision.BF16, ONNX_RUNTIME, note="not supported: x"))])
    tables = [block.splitlines() for block in page.split("\n\n") if block.startswith("|")]

    assert [(4, 4)] + [(8, 8)] * 2 == [(rows[0].count("|") - 1, rows[-1].count("|") - 1) for rows in tables]


def test_what_was_not_measured_is_told() -> None:
    """A model that is missing is not taken for one that passed."""
    assert "✗ Not measured, and so not proven: huge, vast." in render([RECORD], absent=["huge", "vast"])
    assert "Not measured" not in render([RECORD])


def test_a_reduced_depth_is_told() -> None:
    """Nobody takes a quick look for the whole."""
    assert "## tiny, at a depth of 2 of its 12 blocks" in render([replace(RECORD, depth=(2, 12))])
    assert "depth" not in render([replace(RECORD, depth=(12, 12))])


# The command


def test_the_command_fails_if_a_bound_is_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files are written all the same."""
    bad = record(Row(Precision.FP32, TORCH, replace(GOOD, given=FAR)))
    monkeypatch.setattr(parity, "measure", lambda *_: bad)

    result = CliRunner().invoke(parity.main, ["--models", "lite0", "--output", str(tmp_path)])

    assert 1 == result.exit_code
    assert "missed: tiny, fp32, torch: `given.logit_max_error` is 0.003, not ≤ 0.0001" in result.output
    assert "✗" in (tmp_path / "parity.md").read_text(encoding="utf-8")


def test_a_part_keeps_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measuring one model leaves the figures of the others where they are, in their order."""
    monkeypatch.setattr(parity, "measure", lambda subject, *_: replace(RECORD, model=subject.name))
    command = ["--output", str(tmp_path), "--models"]

    codes = [CliRunner().invoke(parity.main, [*command, name]).exit_code for name in ("vit_h", "lite0")]

    assert [0, 0] == codes
    assert ["lite0", "vit_h"] == [found.model for found in load(tmp_path / "parity.json")]
    assert "Not measured, and so not proven: vit_b," in (tmp_path / "parity.md").read_text(encoding="utf-8")


def test_an_unknown_model_is_refused() -> None:
    """The message lists what there is."""
    result = CliRunner().invoke(parity.main, ["--models", "vit_x"])

    assert 2 == result.exit_code
    assert "vit_x; there are lite0, vit_b" in result.output


def test_records_survive_their_file(tmp_path: Path) -> None:
    """What is saved is what is read back."""
    rows = (Row(Precision.FP32, TORCH, GOOD), Row(Precision.BF16, ONNX_RUNTIME, note="not supported: x"))
    records = [replace(record(*rows), depth=(2, 12))]
    save(records, tmp_path / "parity.json")

    assert records == load(tmp_path / "parity.json")


# Figures


def outcome(scale: float) -> Outcome:
    logits = np.array([[[[8.0, -8.0], [-8.0, -8.0]]] * 4], np.float32) * np.float32(scale)
    answer = Answer(logits, np.full((1, 4), 0.5, np.float32), logits[:, 0] > 0)
    return Outcome(np.ones((1, 2, 1, 1), np.float32) * np.float32(scale), answer, answer)


def test_equal_answers_differ_by_nothing() -> None:
    """Every error is 0, and every likeness 1."""
    nothing = MaskFigures(0, 0, 0, 1, 1, 0)

    figures = compare([outcome(1)], [outcome(1)])

    assert figures.embedding.cosine == pytest.approx(1)
    assert (0, nothing, nothing) == (figures.embedding.max_error, figures.given, figures.through)


def test_rounding_to_fp16_explains_half_a_unit() -> None:
    """Near 8, fp16 numbers are 2^-7 apart: an error of 2^-8 may be rounding, the rest is not."""
    figures = compare([outcome(1)], [outcome(1 + 2**-11)]).given
    farther = compare([outcome(1)], [outcome(1 + 2**-9)]).given

    assert (2**-8, 0) == (figures.logit_max_error, figures.logit_beyond_rounding)
    assert (2**-6, 2**-6 - 2**-8) == (farther.logit_max_error, farther.logit_beyond_rounding)


def test_the_worst_mask_and_image_are_reported() -> None:
    """A good one beside it hides neither."""
    other = outcome(1)
    flipped = replace(other, given=replace(other.given, mask=np.array([[[True, True], [False, False]]])))

    figures = compare([outcome(1), outcome(1)], [outcome(1), flipped]).given

    assert (0.75, 0.5) == (figures.mask_iou_mean, figures.mask_iou_min)
