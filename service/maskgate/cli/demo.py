"""`maskgate demo`: the whole service on one photo, with a table of where the time went."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from maskgate.cli.overlay import draw_overlay, draw_sheet
from maskgate.cli.up import explain
from maskgate.client import Client, MaskgateError
from maskgate.domain.image import ImageId
from maskgate.domain.prompt import Box, Point, Prompt
from maskgate.domain.rle import Rle
from maskgate.domain.timing import CacheTier, Timing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import numpy.typing as npt

    from maskgate.stack import Endpoints

_PHOTO = "docs/photos/cat.jpg"
_TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table; milliseconds as the gateway measured them."""

    request: str
    protocol: str
    cache_tier: str
    encode_ms: float
    decode_ms: float
    total_ms: float
    predicted_iou: float


@dataclass(frozen=True, slots=True)
class Result:
    """A line of the table with its picture's contents."""

    prompt: Prompt
    pixels: npt.NDArray[np.bool_]
    row: Row


@dataclass(frozen=True, slots=True)
class Reply:
    """The best mask of an answer, whatever protocol it came over."""

    pixels: npt.NDArray[np.bool_]
    predicted_iou: float
    timing: Timing


@dataclass(frozen=True, slots=True)
class Step:
    """One request of the demo."""

    title: str
    prompt: Prompt
    protocol: str


@click.command()
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), default="out", help="Folder for pictures.")
def demo(*, output: Path) -> None:
    """Start the whole stack, segment a photo over gRPC and REST, show where the time went, and stop it again."""
    # Needs the extra `stack`, which a machine that only runs `maskgate serve` has no use for.
    from maskgate.stack import EmbeddedStack, StackConfig, StackError  # noqa: PLC0415

    photo = _find_photo()
    _prepare(output)
    config = StackConfig(grpc_port=0, http_port=0, triton_grpc_port=0, triton_metrics_port=0)
    try:
        with EmbeddedStack(config, announce=click.echo) as stack:
            before = _run(stack.endpoints, photo, _BEFORE_RESTART)
            stack.restart("gateway")
            after = _run(stack.endpoints, photo, _AFTER_RESTART)
    except StackError as error:
        raise click.ClickException(explain(error)) from error
    _write(photo, output, before + after)
    click.echo("\n" + _table([result.row for result in before + after]))
    click.echo(f"\nThe masks are drawn in {output}/*.png, the figures are in {output}/demo.json.")


def _find_photo() -> Path:
    from maskgate.stack.checkout import find_in_checkout  # noqa: PLC0415 - as above

    photo = find_in_checkout(_PHOTO)
    if photo is None:
        raise click.ClickException(f"there is no '{_PHOTO}' here; run this in a checkout of maskgate")
    return photo


def _prepare(output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.ClickException(f"cannot write to '{output}' (--output): {error.strerror}") from error


def _run(endpoints: Endpoints, photo: Path, steps: Sequence[Step]) -> list[Result]:
    content = photo.read_bytes()
    return [take_step(step, endpoints, content) for step in steps]


def take_step(step: Step, endpoints: Endpoints, content: bytes) -> Result:
    """Makes one request and measures it.

    Raises:
        click.ClickException: The gateway refuses it, or does not answer.
    """
    try:
        reply = _ASK[step.protocol](endpoints, content, step.prompt)
    except (MaskgateError, OSError) as error:
        reason = f"{error.reason}: {error.message}" if isinstance(error, MaskgateError) else error
        raise click.ClickException(f"'{step.title}' over {step.protocol} failed: {reason}") from error
    timing = reply.timing
    row = Row(
        request=step.title,
        protocol=step.protocol,
        cache_tier=timing.cache_tier.value,
        encode_ms=timing.encode * 1e3,
        decode_ms=timing.decode * 1e3,
        total_ms=timing.total * 1e3,
        predicted_iou=reply.predicted_iou,
    )
    return Result(step.prompt, reply.pixels, row)


def _write(photo: Path, output: Path, results: Sequence[Result]) -> None:
    pictures = {result.row.request: draw_overlay(photo, result.pixels, result.prompt) for result in results}
    for number, (title, picture) in enumerate(pictures.items(), start=1):
        picture.save(output / f"{number}-{title.replace(' ', '-')}.png")
    draw_sheet(pictures).save(output / "demo.png")
    figures = [asdict(result.row) for result in results]
    (output / "demo.json").write_text(json.dumps(figures, indent=2) + "\n")


def _over_grpc(endpoints: Endpoints, content: bytes, prompt: Prompt) -> Reply:
    with Client(str(endpoints.grpc), timeout=_TIMEOUT) as client:
        answer = client.image(content).segment(prompt=prompt)
    return Reply(answer.best.pixels, answer.best.predicted_iou, answer.timing)


def _over_rest(endpoints: Endpoints, content: bytes, prompt: Prompt) -> Reply:
    """Ask as curl would; the identifier is computed here, since the image was uploaded over gRPC before."""
    body = {
        "points": [asdict(point) for point in prompt.points],
        "box": prompt.box and asdict(prompt.box),
    }
    request = urllib.request.Request(  # noqa: S310 - the address of our own gateway
        f"{endpoints.http}/v1/images/{ImageId.of(content)}:segment",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=_TIMEOUT) as response:
        answer = json.load(response)
    best, timing = answer["masks"][0], answer["timing"]
    height, width = best["rle"]["size"]
    seconds = {part: timing[f"{part}_ms"] / 1e3 for part in ("queue", "encode", "decode", "postprocess", "total")}
    return Reply(
        Rle(height, width, best["rle"]["counts"]).decode(),
        best["predicted_iou"],
        Timing(CacheTier(timing["cache_tier"]), **seconds),
    )


_ASK: dict[str, Callable[[Endpoints, bytes, Prompt], Reply]] = {"gRPC": _over_grpc, "REST": _over_rest}
_BEFORE_RESTART = (
    Step("click on the cat", Prompt((Point(160, 180),)), "gRPC"),
    Step("click on its tail", Prompt((Point(40, 190),)), "gRPC"),
    Step("box around its head", Prompt(box=Box(236, 30, 320, 150)), "REST"),
)
_AFTER_RESTART = (
    Step("box around the cat", Prompt(box=Box(0, 28, 332, 324)), "gRPC"),
    Step("remote by box and click", Prompt((Point(430, 196),), Box(350, 157, 496, 231)), "REST"),
    Step("the other remote", Prompt((Point(380, 155),), Box(312, 134, 470, 182)), "REST"),
)


def _table(rows: Sequence[Row]) -> str:
    head = ("request", "protocol", "cache", "encode ms", "decode ms", "total ms", "predicted IoU")
    lines = [_line(head), _line(tuple("-" * len(name) for name in head))]
    for row in rows:
        times = (f"{value:.1f}" for value in (row.encode_ms, row.decode_ms, row.total_ms))
        tier = row.cache_tier if row.cache_tier == "miss" else row.cache_tier.upper()
        lines.append(_line((row.request, row.protocol, tier, *times, f"{row.predicted_iou:.3f}")))
    return "\n".join(lines)


def _line(cells: tuple[str, ...]) -> str:
    return f"{cells[0]:<26}{cells[1]:<10}{cells[2]:<7}" + "".join(f"{cell:>14}" for cell in cells[3:])
