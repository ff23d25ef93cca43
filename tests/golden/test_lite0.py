"""The lite0 that is committed: its files belong together and fit into their budget."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from maskforge.checkpoints.weights import weights_digest
from maskforge.compiled_graph import CompiledGraph
from maskforge.engines.golden import mask_iou, read_golden
from maskforge.export.building import model_parameters
from maskforge.export.parity import answer_test_card, compare_embeddings, measure_decoder
from maskforge.export.test_card import draw_test_card
from maskforge.export.triton_config import render, triton_models
from maskforge.lite0.model import LITE0, WEIGHTS_FILE, load_lite0
from maskforge.sam.model import Sam
from maskforge.sam.precision import Precision

REPOSITORY = Path(__file__).parents[2] / "model_repository"
WEIGHTS = REPOSITORY / "lite0_encoder" / WEIGHTS_FILE
BUDGET_BYTES = 30_000_000

EMBEDDING_COSINE = 0.999
LOGIT_RELATIVE_ERROR = 0.01
MASK_IOU = 0.99


@pytest.fixture(scope="module")
def model() -> Sam:
    return load_lite0(WEIGHTS).eval()


def test_encoder_graph_agrees_with_the_weights(model: Sam) -> None:
    """The served encoder gives the embedding that the weights give in torch."""
    image = torch.randint(0, 256, (1, 3, 512, 512), dtype=torch.uint8, generator=torch.manual_seed(1))
    valid_hw = torch.tensor([[512, 341]], dtype=torch.int32)
    with torch.inference_mode():
        expected = model.encode(image, valid_hw)
    feed = {"image": image.numpy(), "valid_hw": valid_hw.numpy()}
    actual = _graph("lite0_encoder")(feed)["image_embeddings"]
    assert actual.dtype == np.float16
    assert compare_embeddings(expected.numpy(), actual).embedding_cosine >= EMBEDDING_COSINE


@pytest.mark.parametrize("folder", ["lite0_decoder", "lite0_decoder_multi"])
def test_decoder_graph_agrees_with_the_weights(model: Sam, folder: str) -> None:
    """The served decoder gives the masks that the weights give in torch."""
    golden = read_golden(REPOSITORY / "lite0_encoder")
    reference = answer_test_card(model, draw_test_card(LITE0), golden.image_embeddings)
    figures = measure_decoder(REPOSITORY / folder / "1" / "model.onnx", reference)
    assert figures.logit_relative_error <= LOGIT_RELATIVE_ERROR
    assert figures.mask_iou >= MASK_IOU
    assert figures.iou_max_error <= 0.005


def test_golden_masks_are_those_of_the_weights(model: Sam) -> None:
    """The file that plans are checked against was made from these weights."""
    golden = read_golden(REPOSITORY / "lite0_encoder")
    reference = answer_test_card(model, draw_test_card(LITE0), golden.image_embeddings)
    assert mask_iou(reference.golden.masks, golden.masks).min() > 0.9999


def test_configuration_is_what_the_forge_writes() -> None:
    """No `config.pbtxt` was edited by hand, and its digest is that of the weights beside it."""
    for triton in triton_models("lite0", LITE0, model_parameters(weights_digest(WEIGHTS), Precision.BF16)):
        actual = (REPOSITORY / triton.name / "config.pbtxt").read_text(encoding="utf-8")
        assert render(triton) == actual


def test_spec_names_the_weights() -> None:
    """`maskgate.json` holds what addresses an embedding."""
    document = json.loads((REPOSITORY / "lite0_encoder" / "maskgate.json").read_text(encoding="utf-8"))
    for key, value in model_parameters(weights_digest(WEIGHTS), Precision.BF16).items():
        assert value == document[key]


def test_weights_and_graphs_fit_their_budget() -> None:
    """What is committed, weights and graphs, takes at most 30 MB; a link takes nothing."""
    files = [path for path in REPOSITORY.rglob("*") if path.is_file() and not path.is_symlink()]
    assert sum(path.stat().st_size for path in files) <= BUDGET_BYTES


def test_the_multi_decoder_shares_the_graph() -> None:
    """Both decoders are one file, by a link that survives a move of the repository."""
    link = REPOSITORY / "lite0_decoder_multi" / "1" / "model.onnx"
    assert link.readlink() == Path("../../lite0_decoder/1/model.onnx")


def _graph(folder: str) -> CompiledGraph:
    return CompiledGraph(REPOSITORY / folder / "1" / "model.onnx")
