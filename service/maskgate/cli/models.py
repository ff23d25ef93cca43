"""`maskgate models`: what a gateway serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from maskgate.cli.connection import gateway_options, open_client

if TYPE_CHECKING:
    from maskgate.cli.connection import Gateway
    from maskgate.client import Model

_HEAD = ("model", "state", "precision", "input", "embedding", "points", "weights")


@click.command()
@gateway_options
def models(*, gateway: Gateway) -> None:
    """List the models that a gateway serves, the default one first."""
    with open_client(gateway) as client:
        rows = [_HEAD, *map(_row, client.models())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _row(model: Model) -> tuple[str, ...]:
    name = f"{model.name} (default)" if model.is_default else model.name
    if not model.ready:
        return (name, "unavailable", *[""] * (len(_HEAD) - 2))
    shape = " x ".join(map(str, model.embedding_shape))
    digest = model.weights_digest.removeprefix("sha256:")[:12]
    return (name, "ready", model.precision, str(model.input_size), shape, f"<= {model.max_points}", digest)
