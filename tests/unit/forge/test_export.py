from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from maskforge.export.half_storage import store_weights_as_half
from maskforge.export.repository import _replacing
from maskforge.export.triton_config import render, triton_models
from maskforge.sam.config import SamConfig

CONFIG = SamConfig(image_size=64, stride=8, embed_dim=32)


def _graph() -> onnx.ModelProto:
    large = numpy_helper.from_array(np.full((16, 16), 0.1, np.float32), "large")
    small = numpy_helper.from_array(np.full(16, 0.1, np.float32), "small")
    shape = ["N", 16]
    return helper.make_model(
        helper.make_graph(
            [
                helper.make_node("MatMul", ["x", "large"], ["product"]),
                helper.make_node("Add", ["product", "small"], ["y"]),
            ],
            "tiny",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
            [large, small],
        )
    )


def test_large_weights_are_stored_as_half() -> None:
    """A large weight is fp16 with a Cast back, a small one stays, and the graph is valid."""
    halved = store_weights_as_half(_graph())
    onnx.checker.check_model(halved, full_check=True)
    types = {tensor.name: tensor.data_type for tensor in halved.graph.initializer}
    assert types == {"large.fp16": TensorProto.FLOAT16, "small": TensorProto.FLOAT}
    assert [node.op_type for node in halved.graph.node] == ["Cast", "MatMul", "Add"]


def test_weights_beyond_fp16_are_refused() -> None:
    """A weight that fp16 cannot hold is an error, not infinity."""
    graph = _graph()
    graph.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.full((16, 16), 1e6, np.float32), "large"))
    with np.errstate(over="ignore"), pytest.raises(ValueError, match="large does not fit into fp16"):
        store_weights_as_half(graph)


def test_the_decoders_differ_in_their_number_of_prompts() -> None:
    """The decoder has one prompt to a request, the multi decoder any number."""
    encoder, decoder, multi = (render(model) for model in triton_models("tiny", CONFIG, {}))
    assert '{ name: "image" data_type: TYPE_UINT8 dims: [ 3, 64, 64 ] }' in encoder
    assert '{ name: "point_coords" data_type: TYPE_FP32 dims: [ 1, 8, 2 ] }' in decoder
    assert '{ name: "point_coords" data_type: TYPE_FP32 dims: [ -1, 8, 2 ] }' in multi
    assert '{ name: "low_res_masks" data_type: TYPE_FP16 dims: [ -1, 4, 32, 32 ] }' in multi


def test_warm_up_has_no_free_dimension() -> None:
    """Triton makes the warm-up's data itself, so every dimension has a size."""
    for model in triton_models("tiny", CONFIG, {}):
        _, warm_up = render(model).split("model_warmup [")
        assert "-1" not in warm_up


def test_parameters_are_written_for_the_gateway() -> None:
    """What the gateway must know is in every model's configuration."""
    for model in triton_models("tiny", CONFIG, {"weights_digest": "sha256:ab"}):
        assert 'parameters { key: "weights_digest" value { string_value: "sha256:ab" } }' in render(model)


def test_a_failed_build_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    """A folder is replaced only once its successor is complete, and nothing else is left."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "old").touch()
    with pytest.raises(FileNotFoundError), _replacing(folder) as fresh:
        (fresh / "missing" / "half").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["model", "old"]


def test_a_finished_build_replaces_the_folder(tmp_path: Path) -> None:
    """Nothing of the old folder survives."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "old").touch()
    with _replacing(folder) as fresh:
        (fresh / "new").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["model", "new"]
