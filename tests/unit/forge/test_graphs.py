"""Graphs in files, with their weights inside and beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from maskforge.compiled_graph import CompiledGraph
from maskforge.export.graphs import export_encoder, save_graph
from tests.unit.forge.test_building import tiny_sam

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_weights_over_the_limit_lie_beside_the_graph(tmp_path: Path) -> None:
    """Such a graph is two files, as readable as any other, and computes what it computes as one file."""
    (tmp_path / "other").touch()
    graph = export_encoder(tiny_sam())
    for name, limits in {"whole": (), "parted": (1,)}.items():
        (tmp_path / name).mkdir()
        save_graph(graph, tmp_path / name / "model.onnx", *limits)
    whole, parted = ({path.name: path.stat() for path in (tmp_path / name).iterdir()} for name in ("whole", "parted"))
    image = np.random.default_rng(0).integers(0, 256, (1, 3, 64, 64), dtype=np.uint8)
    expected, actual = (
        CompiledGraph(tmp_path / name / "model.onnx")({"image": image, "valid_hw": np.array([[64, 40]], np.int32)})
        for name in ("whole", "parted")
    )

    assert {"model.onnx"} == whole.keys()
    assert {"model.onnx", "model.onnx.data"} == parted.keys()
    assert {(tmp_path / "other").stat().st_mode} == {stat.st_mode for stat in parted.values()}
    assert parted["model.onnx"].st_size < whole["model.onnx"].st_size / 2
    np.testing.assert_array_equal(expected["image_embeddings"], actual["image_embeddings"])
