"""What was measured, as docs/parity.json keeps it, and which of it misses its bound."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks.parity.figures import EmbeddingFigures, Figures, MaskFigures
from maskforge.sam.precision import Precision

TORCH, ONNX_RUNTIME, TRITON = "torch", "ONNX Runtime", "OpenVINO in Triton"

LARGEST_FP32_ERROR: Final = 1e-4
"""Of a logit, absolute."""
LEAST_COSINE: Final = 0.999
LEAST_MASK_IOU: Final = 0.995


@dataclass(frozen=True, slots=True)
class Row:
    """One engine in one precision.

    Attributes:
        precision: What the model is computed in.
        engine: What computes it.
        figures: None if there are none, and `note` says why.
        note: What the engine, or the build, had to say.
        failed: Whether there ought to be figures.
    """

    precision: Precision
    engine: str
    figures: Figures | None = None
    note: str = ""
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """One model.

    Attributes:
        model: Its name.
        weights: What the weights are and how they were loaded, in words.
        reference: What it is compared with, in words.
        inputs: Names of the images.
        trained: Whether its masks mean something.
        depth: Blocks of the image encoder, and of the published one's; None for lite0.
        embedding_size: Root mean square of the reference's embedding.
        logit_size: Root mean square of the reference's logits.
        versions: By package.
        minutes: What the measurement took.
        rows: By precision and engine.
    """

    model: str
    weights: str
    reference: str
    inputs: tuple[str, ...]
    trained: bool
    depth: tuple[int, int] | None
    embedding_size: float
    logit_size: float
    versions: Mapping[str, str]
    minutes: float
    rows: tuple[Row, ...]


class Check(NamedTuple):
    """A figure that has a bound; `figure` is its path in `Figures`."""

    figure: str
    value: float
    sign: str
    bound: float

    @property
    def good(self) -> bool:
        """Whether the bound is kept; no number is not."""
        return self.value >= self.bound if self.sign == "≥" else self.value <= self.bound


def checks_of(record: Record, row: Row) -> Iterator[Check]:
    """Give every bound that a row has to keep."""
    if row.figures is None:
        return
    embedding, given, through = row.figures.embedding, row.figures.given, row.figures.through
    yield Check("embedding.cosine", embedding.cosine, "≥", LEAST_COSINE)
    if row.precision is Precision.FP32 and row.engine == TRITON:
        yield Check("given.logit_beyond_rounding", given.logit_beyond_rounding, "≤", LARGEST_FP32_ERROR)
    elif row.precision is Precision.FP32:
        yield Check("given.logit_max_error", given.logit_max_error, "≤", LARGEST_FP32_ERROR)
        yield Check("through.logit_max_error", through.logit_max_error, "≤", LARGEST_FP32_ERROR)
    if record.trained:
        yield Check("given.mask_iou_mean", given.mask_iou_mean, "≥", LEAST_MASK_IOU)
        yield Check("through.mask_iou_mean", through.mask_iou_mean, "≥", LEAST_MASK_IOU)


def missed(records: Iterable[Record]) -> list[str]:
    """Say in a line each what is not as it has to be."""
    return [line for record in records for row in record.rows for line in _missed_by(record, row)]


def _missed_by(record: Record, row: Row) -> Iterator[str]:
    where = f"{record.model}, {row.precision}, {row.engine}"
    if row.failed:
        yield f"{where}: {row.note}"
    for check in checks_of(record, row):
        if not check.good:
            yield f"{where}: `{check.figure}` is {check.value:.3g}, not {check.sign} {check.bound:g}"


def save(records: Sequence[Record], path: Path) -> None:
    """Write the records as JSON."""
    document = {"missed": missed(records), "models": [asdict(record) for record in records]}
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def load(path: Path) -> list[Record]:
    """Read what `save` wrote; nothing, if there is no file."""
    if not path.exists():
        return []
    return [_record(entry) for entry in json.loads(path.read_text(encoding="utf-8"))["models"]]


def _record(entry: Mapping[str, Any]) -> Record:
    depth = tuple(entry["depth"]) if entry["depth"] else None
    rows = tuple(_row(row) for row in entry["rows"])
    return Record(**{**entry, "depth": depth, "inputs": tuple(entry["inputs"]), "rows": rows})


def _row(entry: Mapping[str, Any]) -> Row:
    kinds = {"embedding": EmbeddingFigures, "given": MaskFigures, "through": MaskFigures}
    known = entry["figures"]
    figures = Figures(**{name: kind(**known[name]) for name, kind in kinds.items()}) if known else None
    return Row(**{**entry, "precision": Precision(entry["precision"]), "figures": figures})
