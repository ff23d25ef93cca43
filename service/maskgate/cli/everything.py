"""`maskgate everything`: all that is to be found in one photo, drawn and written."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from maskgate.cli.connection import gateway_options, open_client
from maskgate.cli.overlay import draw_things
from maskgate.cli.parameters import NewFile, keep_apart
from maskgate.cli.records import coco_document, sa1b_document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from maskgate.cli.connection import Gateway
    from maskgate.client import Image, Progress, Searching, Thing


@click.command()
@click.argument("photo", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o", "--output", type=NewFile(".png", ".jpg"), default="everything.png", help="The photo with all masks."
)
@click.option("--coco", type=NewFile(".json"), help="Also write the masks as COCO annotations, JSON.")
@click.option("--sa1b", type=NewFile(".json"), help="Also write the masks as SA-1B records, JSON.")
@click.option("--points-per-side", type=click.IntRange(1, 128), default=32, help="Points along a side of the grid.")
@click.option("--min-iou", type=click.FloatRange(0, 1), default=0.88, help="Predicted IoU that masks must exceed.")
@click.option("--min-stability", type=click.FloatRange(0, 1), default=0.95, help="Least stability score of masks.")
@click.option("--crop-layers", type=click.IntRange(0, 3), default=0, help="Layers of crops to search in, too.")
@click.option("--min-area", type=click.IntRange(0), default=0, help="Holes and islands of fewer pixels are removed.")
@click.option("--model", default="", help="Model; empty means the server's default.")
@gateway_options
def everything(
    *,
    photo: Path,
    output: Path,
    coco: Path | None,
    sa1b: Path | None,
    points_per_side: int,
    min_iou: float,
    min_stability: float,
    crop_layers: int,
    min_area: int,
    model: str,
    gateway: Gateway,
) -> None:
    """Find everything in PHOTO, draw it, and write it down."""
    keep_apart(photo, output, coco, sa1b)
    asked: Searching = {
        "points_per_side": points_per_side,
        "pred_iou_thresh": min_iou,
        "stability_score_thresh": min_stability,
        "crop_n_layers": crop_layers,
        "min_mask_region_area": min_area,
        "model": model,
    }
    with open_client(gateway) as client:
        image = client.image(photo)
        things = _search(image, asked)
    try:
        draw_things(photo, [thing.mask.pixels for thing in things]).save(output)
        if coco is not None:
            coco.write_text(json.dumps(coco_document(photo.name, image.size, things)) + "\n")
        if sa1b is not None:
            sa1b.write_text(json.dumps(sa1b_document(photo.name, image.size, things)) + "\n")
    except OSError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{output}: {len(things)} masks")


def _search(image: Image, asked: Searching) -> list[Thing]:
    with _bar() as show:
        shown: Searching = {**asked, "on_progress": show}
        return list(image.everything(**shown))


@contextmanager
def _bar() -> Iterator[Callable[[Progress], None]]:
    """Show a bar on a terminal; how long it is the first progress tells."""
    with click.progressbar(length=1, label="searching", file=sys.stderr) as bar:

        def show(progress: Progress) -> None:
            bar.length = progress.prompts_total
            bar.update(progress.prompts_done - bar.pos)

        yield show
