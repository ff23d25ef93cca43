"""`maskforge train`."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

from maskforge.cli.options import EXISTING_FOLDER
from maskforge.training.loop import WEIGHTS, Workplace
from maskforge.training.loop import train as run_training
from maskforge.training.recipe import DEFAULT_PHASES, Recipe

FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.option("--data", type=EXISTING_FOLDER, required=True, help="Folder with images/ and annotations.json.")
@click.option(
    "--run",
    "folder",
    type=FOLDER,
    default=Path("runs/lite0"),
    show_default=True,
    help="Where state, weights, log and curve go; a run found there is continued.",
)
@click.option(
    "--cache",
    type=FOLDER,
    default=Path("runs/cache"),
    show_default=True,
    help="Where photos are kept decoded (1.1 GB for lite0's).",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of everything random.")
@click.option(
    "--first-phase",
    type=click.IntRange(min=1),
    default=DEFAULT_PHASES[0].steps,
    show_default=True,
    help="Steps of the first phase; may be changed as long as a run is in it.",
)
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True),
    default=1,
    show_default=True,
    help="Takes this share of the steps only, to try the recipe.",
)
@click.option("--threads", type=click.IntRange(min=1), default=2, show_default=True, help="Threads of a step.")
@click.option(
    "--no-compile", "interpreted", is_flag=True, help="Do without a C++ compiler; it takes half as long again."
)
def train(  # one argument an option
    *, data: Path, folder: Path, cache: Path, seed: int, first_phase: int, share: float, threads: int, interpreted: bool
) -> None:
    """Train lite0; Ctrl-C or SIGTERM saves and stops, the same command goes on."""
    recipe = Recipe(seed=seed).with_first_phase(first_phase).shortened(share)
    workplace = Workplace(folder, cache, threads=threads, compiled=not interpreted)
    with signalled() as stopped:
        done = run_training(data, recipe, workplace, stopped)
    if not done:
        raise click.ClickException(f"stopped; the same command goes on with {folder}")
    click.echo(folder / WEIGHTS)


@contextmanager
def signalled() -> Iterator[Callable[[], bool]]:
    """Give a function that tells whether SIGTERM or Ctrl-C has come; a second one acts as ever."""
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def note(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, note)
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
