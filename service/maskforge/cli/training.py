"""`maskforge train` and `maskforge evaluate`."""

from pathlib import Path

import click

from maskforge.annotations import read_photos
from maskforge.cli.options import EXISTING_FILE, EXISTING_FOLDER
from maskforge.evaluation.predictors import GraphPredictor, Predictor, TorchPredictor
from maskforge.evaluation.protocol import SMALLEST_MASK_SHARE
from maskforge.evaluation.report import as_markdown
from maskforge.evaluation.report import evaluate as run_evaluation
from maskforge.lite0.model import load_lite0
from maskforge.training.loop import train as run_training
from maskforge.training.schedule import TrainingConfig

MODEL_REPOSITORY = Path("model_repository")
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


@click.command()
@click.argument("model", type=click.Choice(["lite0"]))
@DATA
@click.option("--weights", type=EXISTING_FILE, help="Evaluate these in torch, not the graphs.")
@click.option(
    "--repository",
    type=EXISTING_FOLDER,
    help="The model repository whose graphs to evaluate. Without it model_repository.",
)
@click.option("--threads", type=click.IntRange(min=1), default=2, show_default=True)
def evaluate(model: str, data: Path, weights: Path | None, repository: Path | None, threads: int) -> None:
    """Measure a model's box and one-click IoU, by source."""
    if weights:
        predictor: Predictor = TorchPredictor(load_lite0(weights), threads)
    else:
        predictor = GraphPredictor(repository or MODEL_REPOSITORY, model, threads)
    rows = run_evaluation(read_photos(data, SMALLEST_MASK_SHARE), predictor)
    click.echo(as_markdown(rows))
