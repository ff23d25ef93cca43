"""`maskforge train`."""

from pathlib import Path

import click

from maskforge.cli.options import EXISTING_FOLDER
from maskforge.training.loop import train as run_training
from maskforge.training.schedule import TrainingConfig

DATA = click.option("--data", type=EXISTING_FOLDER, required=True, help="Folder with images/ and annotations.json.")


@click.command()
@DATA
@click.option(
    "--run",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs/lite0"),
    show_default=True,
    help="Where checkpoint and weights go; a checkpoint found there is continued.",
)
@click.option("--minutes", type=click.FloatRange(min=0.1), default=75.0, show_default=True)
def train(data: Path, folder: Path, minutes: float) -> None:
    """Train lite0 for a given time."""
    run_training(data, folder, TrainingConfig(minutes=minutes))
