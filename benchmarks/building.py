"""A model repository out of the reference's weights, by way of a checkpoint and `maskforge build`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmarks.reference import write_checkpoint
from maskforge.checkpoints.loading import build_from
from maskforge.checkpoints.reading import read_checkpoint
from maskforge.export.building import Order, build_model
from maskforge.sam.precision import Precision

if TYPE_CHECKING:
    from torch import nn


def build(name: str, reference: nn.Module, repository: Path) -> None:
    """Build a model from a checkpoint as Meta would have written it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{name}.pth")
        write_checkpoint(reference, path)
        checkpoint = read_checkpoint(path)
        order = Order(
            name=name,
            load=lambda: build_from(checkpoint),
            weights=checkpoint.files,
            precision=Precision.BF16,
            repository=repository,
            parameters=checkpoint.parameters,
        )
        build_model(order, lambda step: click.echo(f"build {name}: {step}"))
