"""`python -m benchmarks.parity`; exits with 1 if a bound is missed."""

import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import click

from benchmarks.parity.measure import Tell, measure
from benchmarks.parity.records import Record, load, missed, save
from benchmarks.parity.report import render
from benchmarks.parity.subjects import all_subjects
from maskforge.sam.precision import Precision

NAMES: Final = tuple(all_subjects(None))
PRECISIONS: Final = tuple(precision.value for precision in Precision)
COMPLETE, QUICK = Path("docs"), Path("out", "parity")


def _chosen(_: click.Context, parameter: click.Parameter, value: str) -> tuple[str, ...]:
    known = NAMES if parameter.name == "models" else PRECISIONS
    names = tuple(value.split(","))
    if unknown := [name for name in names if name not in known]:
        raise click.BadParameter(f"{', '.join(unknown)}; there are {', '.join(known)}")
    return names


@click.command()
@click.option("--models", default=",".join(NAMES), show_default=True, callback=_chosen, help="Measure only these.")
@click.option("--precisions", default=",".join(PRECISIONS), show_default=True, callback=_chosen, help="Only in these.")
@click.option("--depth", type=click.IntRange(min=1), help="Blocks of the image encoders at most, for a quick look.")
@click.option("--output", type=click.Path(path_type=Path), help="The folder to write to; docs if all is complete.")
def main(models: tuple[str, ...], precisions: tuple[str, ...], depth: int | None, output: Path | None) -> None:
    """Compare models with their reference implementations; write parity.md and parity.json.

    Models that are not measured keep their last figures. The report is written after each of them.
    """
    folder = output or (COMPLETE if depth is None and precisions == PRECISIONS else QUICK)
    folder.mkdir(parents=True, exist_ok=True)
    subjects, tell = all_subjects(depth), _teller()
    records = {} if models == NAMES else {record.model: record for record in load(folder / "parity.json")}
    for name in models:
        records[name] = measure(subjects[name], [Precision(value) for value in precisions], tell)
        _write(records, folder)
    sys.exit(_status(records.values()))


def _teller() -> Tell:
    """Give a function that says when each step began."""
    began = time.monotonic()
    return lambda step: click.echo(f"[{time.monotonic() - began:5.0f} s] {step}")


def _write(records: Mapping[str, Record], folder: Path) -> None:
    measured = [records[name] for name in NAMES if name in records]
    save(measured, folder / "parity.json")
    page = render(measured, absent=[name for name in NAMES if name not in records])
    (folder / "parity.md").write_text(page, encoding="utf-8")


def _status(records: Iterable[Record]) -> int:
    """Name what was missed, and fail if there is anything."""
    lines = missed(records)
    for line in lines:
        click.echo(f"missed: {line}", err=True)
    return 1 if lines else 0


if __name__ == "__main__":
    main()
