"""`maskforge build`."""

from pathlib import Path

import click

from maskforge.cli.options import EXISTING_FILE, REPOSITORY
from maskforge.export.repository import build_repository
from maskforge.lite0.model import load_lite0


@click.command()
@click.argument("model", type=click.Choice(["lite0"]))
@click.option(
    "--weights",
    type=EXISTING_FILE,
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
