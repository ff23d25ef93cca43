"""`maskgate segment`: one photo, one prompt, one mask file, against a running stack."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click
import numpy as np
from PIL import Image

from maskgate.cli.connection import gateway_options, open_client
from maskgate.cli.overlay import draw_overlay
from maskgate.cli.parameters import NewFile, Numbers, keep_apart
from maskgate.domain.errors import InvalidPrompt
from maskgate.domain.mask_prompt import PngSource
from maskgate.domain.prompt import Box, Point, Prompt

if TYPE_CHECKING:
    from maskgate.cli.connection import Gateway
    from maskgate.client import Wishes
    from maskgate.domain.outline import Polygon, Ring


@click.command()
@click.argument("photo", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--point", "points", type=Numbers("x", "y"), multiple=True, help="Pixel on the object; repeatable.")
@click.option("--not-point", "others", type=Numbers("x", "y"), multiple=True, help="Pixel not on it; repeatable.")
@click.option("--box", type=Numbers("x1", "y1", "x2", "y2"), help="Box around the object, in pixels.")
@click.option("-o", "--output", type=NewFile(".png"), default="mask.png", help="Mask, PNG.")
@click.option("--overlay", type=NewFile(".png", ".jpg", ".jpeg"), help="Also draw the mask on the photo.")
@click.option("--polygons", type=NewFile(".json"), help="Also write the mask's outlines, JSON.")
@click.option("--tolerance", type=click.FloatRange(0, 100), default=0.0, help="Pixels by which outlines may be off.")
@click.option("--mask", type=click.File("rb"), help="Mask to start from: a PNG of the photo's size.")
@click.option(
    "--single", "multimask", flag_value="single", help="The model's single-mask output, also for an ambiguous prompt."
)
@click.option(
    "--stable", "multimask", flag_value="stable", help="The single-mask output if it is stable, else the best of three."
)
@click.option("--model", default="", help="Model; empty means the server's default.")
@gateway_options
def segment(
    *,
    photo: Path,
    points: tuple[tuple[float, float], ...],
    others: tuple[tuple[float, float], ...],
    box: tuple[float, float, float, float] | None,
    output: Path,
    overlay: Path | None,
    polygons: Path | None,
    tolerance: float,
    mask: BinaryIO | None,
    multimask: str | None,
    model: str,
    gateway: Gateway,
) -> None:
    """Segment PHOTO by points, a box and a mask to start from, and write the best mask.

    Coordinates are pixels of the photo as it is shown, that is, after its EXIF orientation has been applied.
    """
    keep_apart(photo, output, overlay, polygons)
    prompt = _prompt(points, others, box, mask.read() if mask else None)
    wishes: Wishes = {
        "multimask": multimask or "auto",
        "model": model,
        "formats": ["polygons"] if polygons else [],
        "polygon_tolerance": tolerance,
        "handles": False,
    }
    with open_client(gateway) as client:
        answer = client.image(photo).segment(prompt=prompt, **wishes)
    best = answer.best
    try:
        Image.fromarray(best.pixels.astype(np.uint8) * 255).save(output)
        if overlay is not None:
            draw_overlay(photo, best.pixels, prompt).save(overlay)
        if polygons is not None:
            polygons.write_text(_as_geojson(best.polygons or ()) + "\n")
    except OSError as error:
        raise click.ClickException(str(error)) from error
    click.echo(
        f"{output}: {best.area} pixels, predicted IoU {best.predicted_iou:.3f}, "
        f"embedding {answer.timing.cache_tier.value}, {answer.timing.total * 1e3:.0f} ms"
    )


def _prompt(
    points: tuple[tuple[float, float], ...],
    others: tuple[tuple[float, float], ...],
    box: tuple[float, float, float, float] | None,
    mask: bytes | None,
) -> Prompt:
    clicks = [Point(x, y, 1) for x, y in points] + [Point(x, y, 0) for x, y in others]
    try:
        return Prompt(tuple(clicks), None if box is None else Box(*box), None if mask is None else PngSource(mask))
    except InvalidPrompt as error:
        raise click.UsageError(error.message) from error


def _as_geojson(polygons: tuple[Polygon, ...]) -> str:
    """Write parts as a GeoJSON MultiPolygon (RFC 7946), in pixels with y down; rings end where they start."""
    rings = ([_closed(ring) for ring in (polygon.exterior, *polygon.holes)] for polygon in polygons)
    return json.dumps({"type": "MultiPolygon", "coordinates": list(rings)})


def _closed(ring: Ring) -> list[tuple[int, int]]:
    corners = list(zip(ring[::2], ring[1::2], strict=True))
    return [*corners, corners[0]]
