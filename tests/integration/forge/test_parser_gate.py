"""Our graphs and NVIDIA's own parser and builder, on the CPU."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from maskforge.engines.profiles import Shapes, profile_of
from maskforge.errors import RefusedGraph
from maskforge.export.graphs import export_decoder, export_encoder, save_graph
from maskforge.export.triton_config import triton_models
from maskforge.lite0.model import LITE0, WEIGHTS_FILE, load_lite0
from maskforge.sam.config import SamConfig
from maskforge.sam.model import Sam
from maskforge.sam.precision import Precision, lower
from maskforge.sam.variants import VARIANTS, build_sam
from tests.golden.reference import ReferenceSam

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import onnx_ir

    from maskforge.engines.parser_gate import Accepted

    Tensors = dict[str, tuple[str, tuple[int, ...]]]
    Contract = Callable[[SamConfig], Tensors]

pytest.importorskip("tensorrt_rtx_bindings", reason="NVIDIA's parser has wheels for Linux on x86-64 only")

REPOSITORY = Path(__file__).parents[3] / "model_repository"
FREE = -1
REDUCED, WHOLE = 2, None
LOW = ["bf16", "fp16"]
FULL = (pytest.mark.slow, pytest.mark.full)
"""Both: `-m "not slow"` on the command line takes the place of the `-m "not full"` in pyproject.toml."""

ENCODERS = [
    *[pytest.param("vit_b", WHOLE, precision, marks=pytest.mark.slow) for precision in LOW],
    *[pytest.param(variant, REDUCED, precision) for variant in ("vit_l", "vit_h") for precision in LOW],
    *[pytest.param(variant, WHOLE, precision, marks=FULL) for variant in ("vit_l", "vit_h") for precision in LOW],
    pytest.param("vit_h", WHOLE, "fp32", marks=FULL),
]


def build(onnx_file: Path, profile: Mapping[str, Shapes]) -> Accepted:
    from maskforge.engines.parser_gate import build_on_cpu  # noqa: PLC0415 - there may be no bindings to import

    return build_on_cpu(onnx_file, profile)


def save(graph: onnx_ir.Model, folder: Path) -> Path:
    """Write a graph with its weights beside it, as every graph over 2 GB must be."""
    path = folder / "model.onnx"
    save_graph(graph, path, limit=0)
    return path


def save_encoder(variant: str, depth: int | None, precision: str, folder: Path) -> Path:
    """Export an encoder of random weights; at reduced depth its last block attends globally, the others in windows."""
    vit = VARIANTS[variant]
    if depth is not None:
        vit = replace(vit, depth=depth, global_blocks=(depth - 1,))
    model = build_sam(vit)
    lower(model, Precision(precision))
    return save(export_encoder(model), folder)


def save_decoder(precision: str, folder: Path) -> Path:
    """Export SAM's own decoder, with random weights."""
    model = Sam(SamConfig(), nn.Identity())
    lower(model, Precision(precision))
    return save(export_decoder(model), folder)


def described(accepted: Accepted) -> Tensors:
    """What the parser made of all inputs and outputs."""
    return {name: (tensor.dtype, tensor.shape) for name, tensor in {**accepted.inputs, **accepted.outputs}.items()}


def encoder_contract(config: SamConfig) -> Tensors:
    side, cells = config.image_size, config.embedding_size
    return {
        "image": ("UINT8", (FREE, 3, side, side)),
        "valid_hw": ("INT32", (FREE, 2)),
        "image_embeddings": ("HALF", (FREE, config.embed_dim, cells, cells)),
    }


def decoder_contract(config: SamConfig) -> Tensors:
    cells, side, tokens = config.embedding_size, config.mask_size, config.mask_tokens
    return {
        "image_embeddings": ("HALF", (FREE, config.embed_dim, cells, cells)),
        "point_coords": ("FLOAT", (FREE, FREE, FREE, 2)),
        "point_labels": ("FLOAT", (FREE, FREE, FREE)),
        "mask_input": ("HALF", (FREE, FREE, side, side)),
        "has_mask_input": ("FLOAT", (FREE, FREE)),
        "select": ("FLOAT", (FREE, FREE)),
        "low_res_masks": ("HALF", (FREE, FREE, tokens, side, side)),
        "iou_predictions": ("FLOAT", (FREE, FREE, tokens)),
        "best_mask": ("HALF", (FREE, FREE, side, side)),
        "best_iou": ("FLOAT", (FREE, FREE)),
    }


# What must be accepted

PARTS = pytest.mark.parametrize(
    ("part", "contract"),
    [(0, encoder_contract), (1, decoder_contract), (2, decoder_contract)],
    ids=["encoder", "decoder", "decoder_multi"],
)


@PARTS
def test_lite0s_graphs_are_accepted(part: int, contract: Contract) -> None:
    """The graphs that are committed build for their production profiles, with the tensors of the contract."""
    triton = triton_models("lite0", LITE0, {})[part]

    accepted = build(REPOSITORY / triton.name / "1" / "model.onnx", profile_of(triton))

    assert contract(LITE0) == described(accepted)
    assert accepted.plan_bytes > 0


@pytest.fixture(scope="module")
def lite0_in_fp16(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """lite0's graphs for GPUs without bf16: encoder, decoder, and the decoder again."""
    model = load_lite0(REPOSITORY / "lite0_encoder" / WEIGHTS_FILE)
    lower(model, Precision.FP16)
    encoder, decoder = (
        save(export(model), tmp_path_factory.mktemp(export.__name__)) for export in (export_encoder, export_decoder)
    )
    return [encoder, decoder, decoder]


@pytest.mark.slow
@PARTS
def test_lite0s_graphs_are_accepted_in_fp16(part: int, contract: Contract, lite0_in_fp16: list[Path]) -> None:
    """So do those that a user builds for a GPU without bf16."""
    triton = triton_models("lite0", LITE0, {})[part]

    assert contract(LITE0) == described(build(lite0_in_fp16[part], profile_of(triton)))


@pytest.mark.slow
@pytest.mark.parametrize("precision", [*LOW, "fp32"])
def test_sams_decoder_is_accepted(precision: str, tmp_path: Path) -> None:
    """SAM's own decoder builds for both production profiles, with the tensors of the contract."""
    config = SamConfig()
    graph = save_decoder(precision, tmp_path)
    _, *decoders = triton_models("sam", config, {})

    for triton in decoders:
        assert decoder_contract(config) == described(build(graph, profile_of(triton)))


@pytest.mark.parametrize(("variant", "depth", "precision"), ENCODERS)
def test_encoders_are_accepted(variant: str, depth: int | None, precision: str, tmp_path: Path) -> None:
    """Each size of SAM's encoder builds for its production profile, with the tensors of the contract."""
    graph = save_encoder(variant, depth, precision, tmp_path)
    encoder, *_ = triton_models(variant, SamConfig(), {})

    accepted = build(graph, profile_of(encoder))

    assert encoder_contract(SamConfig()) == described(accepted)
    assert accepted.plan_bytes > (tmp_path / "model.onnx.data").stat().st_size / 2


# What must be refused


def save_official_decoder(path: Path) -> None:
    """Export the reference's decoder as its `export_onnx_model.py` does: the original size is a float input."""
    sam = ReferenceSam(SamConfig())
    from segment_anything.utils.onnx import SamOnnxModel  # noqa: PLC0415 - needs the stubs that ReferenceSam installs

    sam.image_encoder = nn.Identity()
    sam.image_encoder.img_size = SamConfig().image_size
    inputs = {
        "image_embeddings": torch.zeros(1, 256, 64, 64),
        "point_coords": torch.zeros(1, 5, 2),
        "point_labels": torch.zeros(1, 5),
        "mask_input": torch.zeros(1, 1, 256, 256),
        "has_mask_input": torch.zeros(1),
        "orig_im_size": torch.tensor([1500.0, 2250.0]),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the old exporter, which theirs is written for
        torch.onnx.export(
            SamOnnxModel(sam, return_single_mask=True),
            tuple(inputs.values()),
            path,
            dynamo=False,
            opset_version=17,
            input_names=list(inputs),
            dynamic_axes={"point_coords": {1: "P"}, "point_labels": {1: "P"}},
        )


def test_the_official_decoder_is_refused(tmp_path: Path) -> None:
    """A size that is a float cannot become a shape: the reason why resizing is not in our graph."""
    save_official_decoder(tmp_path / "official.onnx")

    with pytest.raises(RefusedGraph, match=r"official\.onnx: .*orig_im_size is a shape tensor and must have type Int"):
        build(tmp_path / "official.onnx", {})


def save_sum(path: Path, addend: int) -> dict[str, Shapes]:
    """Write y = x + 1 for half x, and return its profile."""
    value = numpy_helper.from_array(np.ones(4, dtype=helper.tensor_dtype_to_np_dtype(addend)), "one")
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT16, ["B", 4]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Add", ["x", "one"], ["y"])], "sum", [x], [y], [value])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return {"x": Shapes((1, 4), (1, 4), (8, 4))}


def test_types_that_do_not_agree_are_refused(tmp_path: Path) -> None:
    """A plan is strongly typed: where an fp32 weight meets half activations, nothing is converted in silence."""
    profile = save_sum(tmp_path / "equal.onnx", TensorProto.FLOAT16)
    save_sum(tmp_path / "mixed.onnx", TensorProto.FLOAT)

    assert build(tmp_path / "equal.onnx", profile).plan_bytes > 0
    with pytest.raises(RefusedGraph, match=r"mixed\.onnx: .*[Hh]alf"):
        build(tmp_path / "mixed.onnx", profile)


@pytest.mark.parametrize(
    ("profile", "reason"),
    [
        ({}, "x is missing dimensions in profile 0"),
        ({"x": Shapes((1, 5), (1, 5), (8, 5))}, "Dimension mismatch for tensor x"),
        ({"x": Shapes((1, 4), (1, 4), (8, 4)), "z": Shapes((1,), (1,), (1,))}, "the profile has z, the graph does not"),
    ],
)
def test_a_profile_that_does_not_fit_is_refused(profile: dict[str, Shapes], reason: str, tmp_path: Path) -> None:
    """Profile and graph must agree about every input."""
    save_sum(tmp_path / "sum.onnx", TensorProto.FLOAT16)

    with pytest.raises(RefusedGraph, match=reason):
        build(tmp_path / "sum.onnx", profile)


def test_weights_outside_the_graph_are_needed(tmp_path: Path) -> None:
    """A graph whose weights lie beside it is built with them, and refused without."""
    profile = save_sum(tmp_path / "sum.onnx", TensorProto.FLOAT16)
    onnx.save(
        onnx.load(tmp_path / "sum.onnx"),
        tmp_path / "model.onnx",
        save_as_external_data=True,
        location="model.onnx.data",
        size_threshold=0,
    )

    assert build(tmp_path / "model.onnx", profile).plan_bytes > 0
    (tmp_path / "model.onnx.data").unlink()
    with pytest.raises(RefusedGraph, match=r"model\.onnx: .*Failed to import initializer: one$"):
        build(tmp_path / "model.onnx", profile)
