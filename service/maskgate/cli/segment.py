"""`maskgate segment`: one photo, one prompt, one mask file, against a running stack."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click
import grpc
import numpy as np
from PIL import Image

from maskgate.cli.overlay import draw_overlay
from maskgate.client import Client
from maskgate.domain.errors import InvalidPrompt
from maskgate.domain.mask_prompt import PngSource
from maskgate.domain.output import MaskFormat, MaskOutput
from maskgate.domain.prompt import Box, Multimask, Point, Prompt

if TYPE_CHECKING:
    from maskgate.client import Answer
    from maskgate.domain.outline import Polygon, Ring


class _Numbers(click.ParamType[tuple[float, ...]]):
    """`x,y` and the like: as many numbers as the names say."""

    def __init__(self, *names: str) -> None:
        self.name = ",".join(names)
        self._count = len(names)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:  # noqa: ANN401
        try:
            numbers = tuple(float(part) for part in str(value).split(","))
        except ValueError:
            numbers = ()
        if len(numbers) != self._count:
            self.fail(f"{value!r} is not {self.name}", param, ctx)
        return numbers


class _NewFile(click.Path):
    """A file to write, in a folder that exists; its name's ending says how."""

    def __init__(self, *endings: str) -> None:
        super().__init__(dir_okay=False, writable=True, path_type=Path)
        self._endings = endings

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:  # noqa: ANN401
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if path.suffix.lower() not in self._endings:
            self.fail(f"'{path}' does not end in {' or '.join(self._endings)}", param, ctx)
        if not path.parent.is_dir():
            self.fail(f"'{path.parent}' is not a folder", param, ctx)
        return path


@click.command()
@click.argument("photo", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--point", "points", type=_Numbers("x", "y"), multiple=True, help="Pixel on the object; repeatable.")
@click.option("--not-point", "others", type=_Numbers("x", "y"), multiple=True, help="Pixel not on it; repeatable.")
@click.option("--box", type=_Numbers("x1", "y1", "x2", "y2"), help="Box around the object, in pixels.")
@click.option("-o", "--output", type=_NewFile(".png"), default="mask.png", help="Mask, PNG.")
@click.option("--overlay", type=_NewFile(".png", ".jpg", ".jpeg"), help="Also draw the mask on the photo.")
@click.option("--polygons", type=_NewFile(".json"), help="Also write the mask's outlines, JSON.")
@click.option("--tolerance", type=click.FloatRange(0, 100), default=0.0, help="Pixels by which outlines may be off.")
@click.option("--mask", type=click.File("rb"), help="Mask to start from: a PNG of the photo's size.")
@click.option(
    "--single", "multimask", flag_value="single", help="The model's single-mask output, also for an ambiguous prompt."
)
@click.option(
    "--stable", "multimask", flag_value="stable", help="The single-mask output if it is stable, else the best of three."
)
@click.option("--model", default="", help="Model; empty means the server's default.")
@click.option("--address", default="127.0.0.1:50051", help="host:port of the gateway's gRPC endpoint.")
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
    address: str,
) -> None:
    """Segment PHOTO by points, a box and a mask to start from, and write the best mask.

    Coordinates are pixels of the photo as it is shown, that is, after its EXIF orientation has been applied.
    """
    _keep_apart(photo, output, overlay, polygons)
    prompt = _prompt(points, others, box, mask.read() if mask else None)
    forms = {MaskFormat.COCO_RLE, MaskFormat.POLYGONS} if polygons else {MaskFormat.COCO_RLE}
    wanted = MaskOutput(frozenset(forms), polygon_tolerance=tolerance, handles=False)
    choice = Multimask(multimask or "auto")
    answer = _ask(address, photo, prompt, multimask=choice, model=model, output=wanted)
    best = answer.masks[0]
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


def _keep_apart(*files: Path | None) -> None:
    """No file may be written over the photo or over another one."""
    resolved = [file.resolve() for file in files if file is not None]
    if len(set(resolved)) < len(resolved):
        raise click.UsageError("PHOTO, --output, --overlay and --polygons must be different files.")


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


def _ask(address: str, photo: Path, prompt: Prompt, *, multimask: Multimask, model: str, output: MaskOutput) -> Answer:
    try:
        with Client(address) as client:
            image_id = client.upload(photo.read_bytes())
            return client.segment(image_id, prompt, multimask=multimask, model=model, output=output)
    except grpc.RpcError as error:
        raise click.ClickException(_explain(error, address)) from error


def _explain(error: grpc.RpcError, address: str) -> str:
    if error.code() is grpc.StatusCode.UNAVAILABLE and "connect" in (error.details() or ""):
        return f"no gateway answers at {address}; start one with `maskgate up`"
    return f"{error.code().name}: {error.details()}"
