"""Writes docs/parity.md from the records: for a reader who knows neither this project nor its tests."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.parity.figures import Figures
from benchmarks.parity.records import (
    LARGEST_FP32_ERROR,
    LEAST_COSINE,
    LEAST_MASK_IOU,
    TRITON,
    Record,
    Row,
    checks_of,
    missed,
)
from maskforge.sam.precision import Precision

GOOD, MISSED = "✓", "✗"

INTRODUCTION: Final = f"""\
# Parity: what is served, against the reference implementation

Written by `make parity`; do not edit. The same figures, unrounded, are in [parity.json](parity.json).

maskgate serves the Segment Anything Model (SAM) from graphs that `maskforge build` makes of a checkpoint, in
one of three precisions. This page says how far the answers of these graphs, and of our own torch modules, are
from the answers of the implementation that the checkpoint belongs to, computed in fp32 by torch on the CPU, on
the same weights and inputs.

## What was compared

**Engines.** *torch*: our modules, cast by `maskforge.sam.precision.lower`. *ONNX Runtime*: the built ONNX files
on its CPU provider; where the graph computes in fp32 and rounds to fp16 at its border, that rounding is taken
out. *{TRITON}*: the built folders, `config.pbtxt` unchanged, in a real tritonserver, asked by gRPC: what is
served where there is no GPU.

**Inputs.** The *test card*: ellipses on a slope of brightness, 3:4, with five prompts (a click, two clicks, a
box, a box with a click, a click with a mask input). For trained weights also the three photos of
[photos](photos/README.md), each with the box of its object as annotated, a click on the pixel farthest from the
object's outside, and both.

**Weights.** No trained weights of SAM are on the machine that wrote this page. ViT-B, ViT-L and ViT-H have
random weights, drawn from a fixed seed in the reference implementation, saved in the official layout and read
back by `maskforge`. They show that names, shapes and arithmetic are right, not that masks are good. Only
lite0's weights are trained.

## What the figures mean

- **cosine**, **max error** of the image embedding: of the two embeddings as vectors, and of a single number.
  Smallest and largest of the images.
- **max Δlogit**: the largest difference of a mask logit, of all four mask tokens of all prompts. Above 0 is
  mask.
- **beyond fp16**: Triton's answers are fp16 by contract, and fp16 numbers near 8 are 0.008 apart. This is the
  largest difference after half that distance, at each logit's own size, is taken off: what rounding the answer
  does not explain.
- **relative**: root mean square of the differences, by that of the logits.
- **mask IoU**: of the mask that the gateway answers with (for a click or a box alone the one with the best
  predicted IoU of three, else the single mask) with the reference's, in the 256 x 256 pixels that the decoder
  gives; mean and smallest of the prompts. On trained weights a click or a box alone counts twice, the second time with
  the single mask, which a client may ask for and of which a model is less sure. On random weights it means
  little: logits lie near 0 everywhere, and masks are noise.
- **max ΔIoU**: the largest difference of a predicted IoU.
- **Decoder** rows decode the *reference's* embedding, rounded to fp16 as it is served, on both sides: the
  decoder's error alone. **End to end** rows decode each side's own embedding, the reference's unrounded.

## Bounds

A figure with a bound carries {GOOD} or {MISSED}; with one {MISSED}, `make parity` fails.

- fp32: max Δlogit ≤ {LARGEST_FP32_ERROR:g}, decoder and end to end. For {TRITON} it is "beyond fp16" of the
  decoder that must be; end to end, its embedding is rounded to fp16 on the way and the reference's is not, so
  there is no such bound.
- every precision: cosine ≥ {LEAST_COSINE:g}.
- every precision, on trained weights: mask IoU ≥ {LEAST_MASK_IOU:g}, mean over the prompts, decoder and end to
  end.
"""

NOT_PROVEN: Final = """\
## What this does not prove

- **Trained SAM.** No checkpoint of Meta's was at hand. Trained weights have outliers that random ones have not;
  fp16 in particular is reported to overflow in ViT-H.
- **GPUs.** No GPU was at hand: no TensorRT plan is measured here. Each plan is checked against stored masks of
  the fp32 reference when it is built ([engines](engines.md)).
- **fp16 on this kind of CPU.** OpenVINO and ONNX Runtime keep fp16 weights and compute most nodes in fp32 where
  the CPU has no fp16 arithmetic; a GPU rounds more.
- **Resizing.** Inputs are already in the model's frame. Pre- and post-processing are compared in
  `tests/golden/test_processing.py`.
- **Every mask.** The bound is on the mean over the prompts; the smallest stands beside it.
- **Quality.** Being near the reference is not being right: lite0's quality is in
  [models/lite0.md](models/lite0.md).
"""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of figures.

    Attributes:
        title: Its heading.
        figure: The path in `Figures`, by which a bound finds it.
        digits: How a number is written.
    """

    title: str
    figure: str
    digits: Callable[[float], str]


def _error(value: float) -> str:
    return f"{value:.1e}" if value else "0"


def _share(value: float) -> str:
    return f"{value:.4f}"


def _cosine(value: float) -> str:
    return f"{value:.7f}"


EMBEDDING: Final = (
    Column("cosine", "embedding.cosine", _cosine),
    Column("max error", "embedding.max_error", _error),
)


def render(records: Sequence[Record], absent: Sequence[str] = ()) -> str:
    """Write the whole page; `absent` models ought to be among the records."""
    sections = (INTRODUCTION, _result(records, absent), *map(_section, records), NOT_PROVEN)
    return "\n".join(sections)


def _result(records: Sequence[Record], absent: Sequence[str]) -> str:
    gap = f"{MISSED} Not measured, and so not proven: {', '.join(absent)}.\n\n" if absent else ""
    return f"## Result\n\n{gap}{_verdict(missed(records))}"


def _verdict(lines: Sequence[str]) -> str:
    if not lines:
        return f"{GOOD} Every bound is kept by what was measured.\n"
    listed = "\n".join(f"- {_cell(line)}" for line in lines)
    return f"{MISSED} Missed, {len(lines)} in number:\n\n{listed}\n"


def _section(record: Record) -> str:
    versions = ", ".join(f"{package} {number}" for package, number in record.versions.items())
    size = f"embedding {record.embedding_size:.2f}, logits {record.logit_size:.2g} (root mean square)"
    facts = (
        f"## {record.model}{_depth(record)}\n",
        f"- Weights: {record.weights}.",
        f"- Reference: {record.reference}.",
        f"- Inputs: {', '.join(record.inputs)}.",
        f"- Size of what is compared: {size}.",
        f"- With: {versions}; in {record.minutes:g} minutes.",
        *(f"- {row.precision}, {row.engine}: {_cell(row.note)}" for row in record.rows if row.note),
        "",
    )
    tables = (
        *_table("Image encoder", record, EMBEDDING),
        *_table("Decoder, on the reference's embedding", record, _mask_columns("given")),
        *_table("End to end", record, _mask_columns("through")),
    )
    return "\n".join((*facts, *tables))


def _depth(record: Record) -> str:
    if record.depth is None or record.depth[0] == record.depth[1]:
        return ""
    return f", at a depth of {record.depth[0]} of its {record.depth[1]} blocks"


def _mask_columns(part: str) -> tuple[Column, ...]:
    return (
        Column("max Δlogit", f"{part}.logit_max_error", _error),
        Column("beyond fp16", f"{part}.logit_beyond_rounding", _error),
        Column("relative", f"{part}.logit_relative_error", _error),
        Column("mask IoU mean", f"{part}.mask_iou_mean", _share),
        Column("min", f"{part}.mask_iou_min", _share),
        Column("max ΔIoU", f"{part}.iou_max_error", _error),
    )


def _table(title: str, record: Record, columns: Sequence[Column]) -> Iterator[str]:
    yield f"### {record.model}: {title}\n"
    yield _line(["precision", "engine", *(column.title for column in columns)])
    yield _line(["---", "---", *["---:"] * len(columns)])
    for row in record.rows:
        yield _line([row.precision.value, row.engine, *_cells(record, row, columns)])
    yield ""


def _cells(record: Record, row: Row, columns: Sequence[Column]) -> list[str]:
    if row.figures is None:
        return [f"{MISSED} failed" if row.failed else _first_words(row.note), *[""] * (len(columns) - 1)]
    marks = {check.figure: GOOD if check.good else MISSED for check in checks_of(record, row)}
    return [_figure(row, row.figures, column, marks.get(column.figure)) for column in columns]


def _figure(row: Row, figures: Figures, column: Column, mark: str | None) -> str:
    part, name = column.figure.split(".")
    if name == "logit_beyond_rounding" and not _is_rounded(row):
        return "\N{EN DASH}"
    number = column.digits(getattr(getattr(figures, part), name))
    return f"{number} {mark}" if mark else number


def _is_rounded(row: Row) -> bool:
    """Whether the engine's answer has more digits than it gives."""
    return row.engine == TRITON and row.precision is Precision.FP32


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _first_words(note: str) -> str:
    """Say in a table what the list above it says in full: "not supported", "left out"."""
    return note.partition(":")[0]


def _cell(text: str) -> str:
    """Keep a message on its line and out of the table's own marks."""
    return " ".join(text.split()).replace("|", "\\|")
