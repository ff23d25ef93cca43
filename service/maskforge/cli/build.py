"""`maskforge build`."""

from pathlib import Path

import click

from maskforge.checkpoints.loading import build_from
from maskforge.checkpoints.official_files import OFFICIAL_FILES
from maskforge.checkpoints.reading import read_checkpoint
from maskforge.cli.options import MODEL_NAME, REPOSITORY
from maskforge.cli.progress import step_progress
from maskforge.errors import MismatchedCheckpoint
from maskforge.export.building import STEPS, Order, build_model
from maskforge.lite0.model import WEIGHTS_FILE, load_lite0
from maskforge.sam.precision import Precision
from maskforge.sam.variants import VARIANTS

LITE0 = "lite0"
LITE0_WEIGHTS = Path("model_repository", f"{LITE0}_encoder", WEIGHTS_FILE)
DOWNLOADS = Path("checkpoints")


@click.command()
@click.argument("model", type=MODEL_NAME)
@click.option(
    "--checkpoint",
    type=click.Path(exists=True, path_type=Path),
    help="Weights: Meta's .pth, or the safetensors of a Hugging Face SamModel, also as a folder; for lite0 what "
    "`train` wrote. By default what `pull` has downloaded, or lite0's committed weights.",
)
@click.option(
    "--precision",
    type=click.Choice([precision.value for precision in Precision]),
    default=Precision.BF16.value,
    show_default=True,
    help="What most of the graphs is computed in; norms stay in fp32.",
)
@click.option(
    "--output",
    type=REPOSITORY,
    default=Path("model_repository"),
    show_default=True,
    help="The Triton model repository to write into.",
)
def build(model: str, checkpoint: Path | None, precision: str, output: Path) -> None:
    """Write a model's folders for Triton, and prove that they compute what the weights say.

    MODEL is lite0, vit_b, vit_l, vit_h, or a name of your own for a checkpoint of SAM.
    """
    source = checkpoint or _default_checkpoint(model)
    order = _order_of_lite0 if model == LITE0 else _order_of_sam
    with step_progress(f"build {model}", STEPS) as progress:
        folders = build_model(order(model, source, Precision(precision), output), progress)
    for folder in folders:
        click.echo(folder)


def _default_checkpoint(model: str) -> Path:
    if model == LITE0:
        if not LITE0_WEIGHTS.exists():
            raise click.UsageError(f"there is no {LITE0_WEIGHTS} here: name the weights of {LITE0} with --checkpoint")
        return LITE0_WEIGHTS
    official = OFFICIAL_FILES.get(model)
    if official and (path := DOWNLOADS / official.name).exists():
        return path
    hint = f", or `maskforge pull {model}` first" if official else ""
    raise click.UsageError(f"name the weights of {model} with --checkpoint{hint}")


def _order_of_lite0(name: str, weights: Path, precision: Precision, repository: Path) -> Order:
    model = load_lite0(weights)
    parameters = sum(tensor.numel() for tensor in model.state_dict().values())
    return Order(name, lambda: model, (weights,), precision, repository, parameters, kept=WEIGHTS_FILE)


def _order_of_sam(name: str, path: Path, precision: Precision, repository: Path) -> Order:
    checkpoint = read_checkpoint(path)
    if name in VARIANTS and name != checkpoint.variant:
        found = checkpoint.variant or f"a model of {checkpoint.vit.depth} blocks of width {checkpoint.vit.width}"
        raise MismatchedCheckpoint(f"{path} holds {found}, not {name}; a name of your own may stand for any model")
    files, parameters = checkpoint.files, checkpoint.parameters
    return Order(name, lambda: build_from(checkpoint), files, precision, repository, parameters)
