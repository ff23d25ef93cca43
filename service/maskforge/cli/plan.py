"""`maskforge plan`."""

from pathlib import Path

import click

from maskforge.cli.options import EXISTING_FILE, EXISTING_FOLDER, MODEL_NAME
from maskforge.engines.devices import visible_gpu
from maskforge.engines.folders import Site
from maskforge.engines.plans import BuildPlans, verify_plans
from maskforge.engines.trtexec import Limits, Trtexec, find_trtexec

SECONDS_A_MINUTE = 60


@click.command()
@click.argument("model", type=MODEL_NAME)
@click.option(
    "--repository",
    type=EXISTING_FOLDER,
    default=Path("model_repository"),
    show_default=True,
    help="The model repository whose graphs to build plans from; the plans go beside them.",
)
@click.option("--verify", is_flag=True, help="Only make sure that the plans are there and fit this GPU and TensorRT.")
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to keep TensorRT's measurements in, so that the next build takes a fraction of the time.",
)
@click.option("--trtexec", type=EXISTING_FILE, help="TensorRT's builder. Without it the one on PATH, or the image's.")
@click.option(
    "--optimization-level",
    type=click.IntRange(0, 5),
    default=3,
    show_default=True,
    help="How many kernels TensorRT tries.",
)
@click.option("--workspace", type=click.IntRange(min=1), help="Most scratch memory of a layer, in MiB.")
@click.option(
    "--minutes",
    type=click.FloatRange(min=0.1),
    default=60.0,
    show_default=True,
    help="How long one plan may take.",
)
def plan(
    *,
    model: str,
    repository: Path,
    verify: bool,
    cache: Path | None,
    trtexec: Path | None,
    optimization_level: int,
    workspace: int | None,
    minutes: float,
) -> None:
    """Build a model's TensorRT plans, for the GPU that is here."""
    tensorrt = Trtexec(find_trtexec(trtexec), Limits(minutes * SECONDS_A_MINUTE, workspace))
    site = Site(visible_gpu(), tensorrt.version())
    build = BuildPlans(tensorrt, site, optimization_level, cache)
    for path in verify_plans(model, repository, site) if verify else build(model, repository):
        click.echo(path)
