"""Puts every trial to the reference, then to each engine in each precision."""

import gc
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from benchmarks.parity.engines import Engine, NotSupported, Outcome, TorchEngine, ask, onnx_runtime
from benchmarks.parity.figures import compare, root_mean_square
from benchmarks.parity.records import ONNX_RUNTIME, TORCH, TRITON, Record, Row
from benchmarks.parity.served import served
from benchmarks.parity.subjects import Subject
from benchmarks.parity.trials import Trial
from maskforge.errors import ForgeError
from maskforge.export.building import Order, build_model
from maskforge.sam.model import Sam
from maskforge.sam.precision import Precision, lower

VERSIONED: Final = ("torch", "onnxruntime", "openvino", "segment-anything", "transformers")

Tell = Callable[[str], None]
"""Is told what is done next."""

Opened = AbstractContextManager[Engine]


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """A model's weights, what the reference says with them, and a folder to build in."""

    subject: Subject
    folder: Path
    files: tuple[Path, ...]
    load: Callable[[], Sam]
    parameters: int
    trials: Sequence[Trial]
    outcomes: Sequence[Outcome]

    @property
    def name(self) -> str:
        """The model's."""
        return self.subject.name


def measure(subject: Subject, precisions: Sequence[Precision], tell: Tell) -> Record:
    """Compare one model; its weights and graphs are gone afterwards."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="maskgate-parity-") as folder:
        tell(f"{subject.name}: the reference")
        expected = _expected(subject, Path(folder))
        chosen = [precision for precision in subject.precisions if precision in precisions]
        rows = tuple(row for precision in chosen for row in _rows(expected, precision, tell))
    return Record(
        model=subject.name,
        weights=subject.weights,
        reference=subject.reference,
        inputs=tuple(trial.name for trial in expected.trials),
        trained=subject.trained,
        depth=subject.depth,
        embedding_size=root_mean_square([outcome.embedding for outcome in expected.outcomes]),
        logit_size=root_mean_square([outcome.given.logits for outcome in expected.outcomes]),
        versions={package: version(package) for package in VERSIONED},
        minutes=round((time.monotonic() - began) / 60, 1),
        rows=rows,
    )


def _expected(subject: Subject, folder: Path) -> Expected:
    """Let the reference answer; it is not kept, for a ViT-H takes 2.5 GB."""
    prepared, trials = subject.prepare(folder), subject.trials()
    outcomes = [ask(prepared.reference, trial, None) for trial in trials]
    parameters = sum(tensor.numel() for tensor in prepared.load().parameters())
    return Expected(subject, folder, prepared.files, prepared.load, parameters, trials, outcomes)


def _rows(expected: Expected, precision: Precision, tell: Tell) -> Iterator[Row]:
    yield _row(expected, precision, TORCH, lambda: nullcontext(_torch(expected.load(), precision)), tell)
    with tempfile.TemporaryDirectory(dir=expected.folder) as folder:
        repository = Path(folder)
        order = Order(expected.name, expected.load, expected.files, precision, repository, expected.parameters)
        try:
            build_model(order, lambda step: tell(f"{expected.name} {precision}: build: {step}"))
        except ForgeError as error:
            yield from (Row(precision, engine, None, f"{error}", failed=True) for engine in (ONNX_RUNTIME, TRITON))
            return
        yield _row(expected, precision, ONNX_RUNTIME, lambda: onnx_runtime(repository, expected.name), tell)
        yield _row(expected, precision, TRITON, lambda: served(repository, expected.name), tell)


def _torch(model: Sam, precision: Precision) -> Engine:
    lower(model, precision)
    return TorchEngine(model)


def _row(expected: Expected, precision: Precision, name: str, opened: Callable[[], Opened], tell: Tell) -> Row:
    """Ask an engine, and let it go before the next one needs the memory."""
    if told := expected.subject.left_out.get((precision, name)):
        return Row(precision, name, None, told)
    tell(f"{expected.name} {precision}: {name}")
    gc.collect()
    try:
        with opened() as engine:
            pairs = zip(expected.trials, expected.outcomes, strict=True)
            actual = [ask(engine, trial, outcome.embedding) for trial, outcome in pairs]
    except NotSupported as error:
        return Row(precision, name, None, f"not supported: {error}")
    except Exception as error:  # noqa: BLE001 - whatever an engine dies of is its row, and the others go on
        return Row(precision, name, None, f"{type(error).__name__}: {_first_line(error)}", failed=True)
    return Row(precision, name, compare(expected.outcomes, actual))


def _first_line(error: Exception) -> str:
    """Leave out the log that a stack's error brings along."""
    return str(error).partition("\n")[0]
