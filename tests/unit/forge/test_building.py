"""A build of a small model: what it writes, what it keeps when it is interrupted, what it refuses."""

import json
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import onnx_ir
import pytest
import torch
from onnx import TensorProto

from maskforge.compiled_graph import CompiledGraph
from maskforge.engines.golden import read_golden
from maskforge.engines.profiles import read_profile
from maskforge.errors import BuildInProgress, ParityFailed
from maskforge.export.building import STEPS, Order, build_model
from maskforge.export.graphs import export_encoder
from maskforge.export.site import building_site
from maskforge.sam.config import SamConfig
from maskforge.sam.image_encoder import VitConfig, VitImageEncoder
from maskforge.sam.model import Sam
from maskforge.sam.precision import Precision, lower

SIZES = SamConfig(image_size=64, stride=16, embed_dim=32, transformer_heads=2, transformer_mlp_dim=64)
VIT = VitConfig(width=32, depth=2, heads=2, global_blocks=(1,), window=3)
PARTS = ("tiny_encoder", "tiny_decoder", "tiny_decoder_multi")


def tiny_sam() -> Sam:
    torch.manual_seed(3)
    return Sam(SIZES, VitImageEncoder(SIZES, VIT))


class Steps(list[str]):
    """Remembers the steps, and breaks off at one of them."""

    def __init__(self, break_at: str = "") -> None:
        super().__init__()
        self._break_at = break_at

    def __call__(self, step: str) -> None:
        self.append(step)
        if step == self._break_at:
            raise KeyboardInterrupt(step)


@pytest.fixture
def order(tmp_path: Path) -> Order:
    weights = tmp_path / "weights"
    weights.write_bytes(b"weights")
    return Order("tiny", tiny_sam, (weights,), Precision.BF16, tmp_path / "repository", parameters=1000)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the tiny model in bf16."""
    folder = tmp_path_factory.mktemp("built")
    (folder / "weights").write_bytes(b"weights")
    build_model(Order("tiny", tiny_sam, (folder / "weights",), Precision.BF16, folder / "repository", 1000), Steps())
    return folder / "repository"


@pytest.mark.slow
def test_folders_hold_all_that_serving_and_plans_need(built: Path) -> None:
    """Graph, configuration, profile and spec are in each folder, the golden file in the encoder's, and nothing else."""
    assert sorted(path.name for path in built.iterdir()) == sorted(PARTS)
    for part in PARTS:
        document = json.loads((built / part / "maskgate.json").read_text(encoding="utf-8"))
        assert (document["precision"], document["spec"]["mask_size"]) == ("bf16", 16)
        assert document["parity"]
        assert "image" in (built / part / "config.pbtxt").read_text(encoding="utf-8")
        assert read_profile(built / part)
    assert read_golden(built / "tiny_encoder").masks.shape == (5, 4, 16, 16)


@pytest.mark.parametrize("precision", list(Precision))
def test_precision_is_in_the_graph(precision: Precision) -> None:
    """Each matrix product is typed as asked, each norm is one node in fp32, and softmax is as low as the products."""
    types = {"fp32": TensorProto.FLOAT, "fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}
    model = tiny_sam()
    lower(model, precision)
    graph = onnx.shape_inference.infer_shapes(onnx_ir.to_proto(export_encoder(model)), data_prop=True)
    assert _types_of(graph, "MatMul") == _types_of(graph, "Softmax") == {types[precision]}
    assert _types_of(graph, "LayerNormalization") == {TensorProto.FLOAT}
    assert sum(node.op_type == "LayerNormalization" for node in graph.graph.node) == 2 * VIT.depth + 2


def test_graphs_keep_to_what_old_parsers_know(built: Path) -> None:
    """No OneHot, Tile or Loop is in a graph: TensorRT 8 to 10.3 refuse what they make of `repeat_interleave`."""
    for part in PARTS[:2]:
        graph = onnx.load(built / part / "1" / "model.onnx").graph
        assert {node.op_type for node in graph.node}.isdisjoint({"OneHot", "Tile", "Loop", "If", "NonZero"})


def test_graphs_tell_nothing_of_the_machine_that_made_them(built: Path) -> None:
    """The exporter's notes, with the paths of its sources, are not in what is published."""
    for part in PARTS[:2]:
        assert b"maskforge/" not in (built / part / "1" / "model.onnx").read_bytes()


def test_graphs_take_any_batch(built: Path) -> None:
    """Rows of a batch do not see each other."""
    encode = CompiledGraph(built / "tiny_encoder" / "1" / "model.onnx")
    images = np.random.default_rng(0).integers(0, 256, (3, 3, 64, 64), dtype=np.uint8)
    valid = np.array([[64, 64], [64, 40], [20, 64]], np.int32)
    together = encode({"image": images, "valid_hw": valid})["image_embeddings"]
    for row in range(3):
        alone = encode({"image": images[row : row + 1], "valid_hw": valid[row : row + 1]})["image_embeddings"]
        np.testing.assert_allclose(together[row : row + 1], alone, atol=0.05)


def test_an_interrupted_build_is_gone_on_with(order: Order) -> None:
    """What is served stays until all is complete; then nothing of it survives, a plan of the old graph least of all.

    A part of the same weights is not made again, and the fp32 model does not encode again; a part of others is.
    """
    plan = order.repository / "tiny_decoder" / "1" / "model.plan"
    plan.parent.mkdir(parents=True)
    plan.touch()
    with pytest.raises(KeyboardInterrupt):
        build_model(order, Steps(break_at="export the decoder"))
    order.weights[0].write_bytes(b"other weights")
    again = Steps(break_at="export the decoder")
    with pytest.raises(KeyboardInterrupt):
        build_model(order, again)
    assert "export the encoder" in again
    assert plan.exists()

    rest = Steps()
    build_model(order, rest)
    assert "export the encoder" not in rest
    assert "answers of the fp32 model" in rest
    assert len(again) + 1 == STEPS
    assert not plan.exists()
    assert sorted(path.name for path in order.repository.iterdir()) == sorted(PARTS)


def test_weights_that_a_precision_cannot_hold_are_not_published(order: Order) -> None:
    """A graph whose embedding is not the model's is an error, and what was served stays."""

    def overflowing() -> Sam:
        model = tiny_sam()
        with torch.no_grad():
            model.image_encoder.get_parameter("blocks.0.mlp.lin2.weight").mul_(1e8)
        return model

    served = order.repository / "tiny_encoder"
    served.mkdir(parents=True)
    with pytest.raises(ParityFailed, match="too far"):
        build_model(replace(order, load=overflowing, precision=Precision.FP16), Steps())
    assert served.exists()


def test_a_part_that_other_code_has_made_is_made_again(order: Order) -> None:
    """An interrupted build is not gone on with across a change of the configuration."""
    with pytest.raises(KeyboardInterrupt):
        build_model(order, Steps(break_at="export the decoder"))
    spec = order.repository / ".tiny.building" / "tiny_encoder" / "maskgate.json"
    document = json.loads(spec.read_text(encoding="utf-8"))
    assert version("maskgate") == document["versions"]["maskgate"]
    spec.write_text(json.dumps(document | {"config_digest": "sha256:of another"}), encoding="utf-8")

    again = Steps(break_at="compare the encoder with the fp32 model")
    with pytest.raises(KeyboardInterrupt):
        build_model(order, again)
    assert "export the encoder" in again


def test_two_builds_of_a_model_refuse_each_other(order: Order) -> None:
    """The second is told so, and disturbs neither the first nor another model."""
    with building_site("tiny", order.repository) as site:
        with pytest.raises(BuildInProgress, match=r"at work in .*\.tiny\.building"):
            build_model(order, Steps())
        with building_site("other", order.repository):
            assert site.exists()


def _types_of(model: onnx.ModelProto, operator: str) -> set[int]:
    graph = model.graph
    types = {value.name: value.type.tensor_type.elem_type for value in (*graph.value_info, *graph.output)}
    return {types[node.output[0]] for node in graph.node if node.op_type == operator}
