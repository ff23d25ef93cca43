"""Prompts a second of a gateway with one worker and with two, in front of a decoder that answers at once.

    python -m benchmarks.workers

So what is timed is the gateway: the whole of a click but for its graph. Clients have a channel and a connection each,
which the kernel spreads over workers by chance; each turn opens new ones.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from benchmarks import instant_model
from benchmarks.encoders import PHOTO
from benchmarks.measuring import Ratio, machine, write_results
from benchmarks.service import photos, running
from benchmarks.throughput import Contender, Measured, measure

if TYPE_CHECKING:
    from collections.abc import Mapping

RESULTS: Final = Path("benchmarks", "results", "workers.json")
MODEL: Final = "instant"
WORKERS: Final = (1, 2)
CHANNELS: Final = 8


@click.command()
@click.option("--repeats", default=9, show_default=True, help="Rounds; the median rate counts.")
@click.option("--seconds", default=3.0, show_default=True, help="Of a turn.")
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS, show_default=True, help="The JSON file.")
def main(*, repeats: int, seconds: float, output: Path) -> None:
    """Compare prompts a second of one worker and of two."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as opened:
        contenders = prepare(Path(folder), opened)
        measure(contenders, 1, min(1.0, seconds))  # what is first called is slower, and does not count
        measured = measure(contenders, repeats, seconds)
    ratio = ratio_of(measured)
    click.echo(_table(measured, ratio))
    write_results({"machine": machine(), **document_of(measured, ratio)}, output)
    click.echo(f"The figures are in {output}.")


def prepare(folder: Path, opened: ExitStack) -> list[Contender]:
    """Start a stack for each number of workers; they take turns, and the one that waits computes nothing."""
    repository = instant_model.write_repository(folder, model=MODEL)
    files = photos(CHANNELS)
    services = {each: opened.enter_context(running(MODEL, repository, files, workers=each)) for each in WORKERS}
    return [
        Contender(_name(each), f"workers: {each}", "grpc", service.grpc, tuple(map(str, service.images)), CHANNELS)
        for each, service in services.items()
    ]


def ratio_of(measured: Mapping[str, Measured]) -> Ratio:
    """Compare two workers with one; without a bound, as clients and Triton share the machine's cores with them."""
    one, two = (measured[_name(each)].rate for each in WORKERS)
    return Ratio("prompts a second, two workers / one", two / one)


def document_of(measured: Mapping[str, Measured], ratio: Ratio) -> dict[str, Any]:
    """Return what goes into the JSON file."""
    return {
        "unit": f"{CHANNELS} channels on {CHANNELS} encoded photos of {PHOTO.width}x{PHOTO.height}, instant decoder",
        "contenders": {name: one.document() for name, one in measured.items()},
        "ratios": {ratio.name: ratio.document()},
    }


def _name(workers: int) -> str:
    return "one worker" if workers == 1 else f"{workers} workers"


def _table(measured: Mapping[str, Measured], ratio: Ratio) -> str:
    return "\n".join(("", *(one.line(name) for name, one in measured.items()), "", str(ratio), ""))


if __name__ == "__main__":
    main()
