"""The command line: `maskforge train | evaluate | build`."""

import logging
from pathlib import Path

import click

from maskforge.annotations import read_photos
from maskforge.evaluation.predictors import OnnxPredictor, TorchPredictor
from maskforge.evaluation.protocol import SMALLEST_MASK_SHARE
from maskforge.evaluation.report import as_markdown
from maskforge.evaluation.report import evaluate as run_evaluation
from maskforge.export.repository import build_repository
from maskforge.lite0.model import load_lite0
from maskforge.training.loop import train as run_training
from maskforge.training.schedule import TrainingConfig

DATA = click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="Folder with images/ and annotations.json.",
)
REPOSITORY = click.Path(file_okay=False, path_type=Path)
WEIGHTS = click.Path(exists=True, dir_okay=False, path_type=Path)
MODELS = click.Choice(["lite0"])


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Make the models that maskgate serves."""
    logging.basicConfig(level=logging.ERROR, format="%(asctime)s %(message)s")
    logging.getLogger("maskforge").setLevel(logging.INFO)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns that there is no torchvision


@main.command()
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


@main.command()
@click.argument("model", type=MODELS)
@DATA
@click.option("--weights", type=WEIGHTS, help="Evaluate these in torch, not the graphs.")
@click.option(
    "--repository",
    type=REPOSITORY,
    default=Path("model_repository"),
    show_default=True,
    help="The model repository whose graphs to evaluate.",
)
@click.option("--threads", type=click.IntRange(min=1), default=2, show_default=True)
def evaluate(model: str, data: Path, weights: Path | None, repository: Path, threads: int) -> None:
    """Measure a model's box and one-click IoU, by source."""
    predictor = TorchPredictor(load_lite0(weights), threads) if weights else OnnxPredictor(repository, model, threads)
    rows = run_evaluation(read_photos(data, SMALLEST_MASK_SHARE), predictor)
    click.echo(as_markdown(rows))


@main.command()
@click.argument("model", type=MODELS)
@click.option(
    "--weights",
    type=WEIGHTS,
    default=Path("model_repository/lite0_encoder/weights.safetensors"),
    show_default=True,
    help="A file that `train` wrote; by default the one that is committed.",
)
@click.option(
    "--output",
    type=REPOSITORY,
    default=Path("model_repository"),
    show_default=True,
    help="The Triton model repository to write into.",
)
def build(model: str, weights: Path, output: Path) -> None:
    """Write a model's folders for Triton."""
    for folder in build_repository(model, load_lite0(weights), weights, output):
        click.echo(folder)
