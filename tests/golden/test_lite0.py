"""The lite0 that is committed: its files belong together and fit into their budget."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from maskforge.export.repository import WEIGHTS_FILE, model_parameters
from maskforge.export.triton_config import render, triton_models
from maskforge.lite0.model import LITE0, load_lite0
from maskforge.sam.model import Prompts, Sam

REPOSITORY = Path(__file__).parents[2] / "model_repository"
WEIGHTS = REPOSITORY / "lite0_encoder" / WEIGHTS_FILE
BUDGET_BYTES = 30_000_000

# The graphs hold their weights as fp16, batch norm folded in before the rounding, and their
# outputs are fp16. A mask must not differ by more than a few pixels of its edge.
EMBEDDING_RELATIVE_ERROR = 0.01
LOGIT_TOLERANCE = 0.05
AGREEING_PIXELS = 0.999


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
    (actual,) = _session("lite0_encoder").run(None, feed)
    assert actual.dtype == np.float16
    error = np.linalg.norm(expected.numpy() - actual) / np.linalg.norm(expected.numpy())
    assert error <= EMBEDDING_RELATIVE_ERROR


@pytest.mark.parametrize("folder", ["lite0_decoder", "lite0_decoder_multi"])
def test_decoder_graph_agrees_with_the_weights(model: Sam, folder: str) -> None:
    """The served decoder gives the masks that the weights give in torch."""
    embedding = torch.randn(1, 256, 64, 64, generator=torch.manual_seed(2)).half()
    coords = torch.tensor([[[[100.0, 200.0], [0, 0], [9, 9]], [[60.0, 50.0], [300, 400], [200, 220]]]])
    labels = torch.tensor([[[1.0, -1, -2], [2, 3, 0]]])
    mask_input = torch.randn(1, 2, 256, 256, generator=torch.manual_seed(3)).half()
    has_mask = torch.tensor([[0.0, 1.0]])
    with torch.inference_mode():
        expected, iou = model.decode(embedding.float(), Prompts(coords, labels, mask_input.float(), has_mask))
    feed = {
        "image_embeddings": embedding.numpy(),
        "point_coords": coords.numpy(),
        "point_labels": labels.numpy(),
        "mask_input": mask_input.numpy(),
        "has_mask_input": has_mask.numpy(),
        "select": np.ones((1, 2), np.float32),
    }
    logits, predicted, best_mask, _ = _session(folder).run(None, feed)
    assert (logits.dtype, best_mask.dtype) == (np.float16, np.float16)
    assert np.abs(expected.numpy() - logits).max() <= LOGIT_TOLERANCE
    assert np.mean((expected.numpy() > 0) == (logits > 0)) >= AGREEING_PIXELS
    np.testing.assert_allclose(iou.numpy(), predicted, atol=0.005)


def test_configuration_is_what_the_forge_writes() -> None:
    """No `config.pbtxt` was edited by hand, and its digest is that of the weights beside it."""
    for triton in triton_models("lite0", LITE0, model_parameters(WEIGHTS)):
        actual = (REPOSITORY / triton.name / "config.pbtxt").read_text(encoding="utf-8")
        assert render(triton) == actual


def test_spec_names_the_weights() -> None:
    """`maskgate.json` holds what addresses an embedding."""
    document = json.loads((REPOSITORY / "lite0_encoder" / "maskgate.json").read_text(encoding="utf-8"))
    for key, value in model_parameters(WEIGHTS).items():
        assert value == document[key]


def test_weights_and_graphs_fit_their_budget() -> None:
    """What is committed, weights and graphs, takes at most 30 MB; a link takes nothing."""
    files = [path for path in REPOSITORY.rglob("*") if path.is_file() and not path.is_symlink()]
    assert sum(path.stat().st_size for path in files) <= BUDGET_BYTES


def test_the_multi_decoder_shares_the_graph() -> None:
    """Both decoders are one file, by a link that survives a move of the repository."""
    link = REPOSITORY / "lite0_decoder_multi" / "1" / "model.onnx"
    assert link.readlink() == Path("../../lite0_decoder/1/model.onnx")


def _session(folder: str) -> onnxruntime.InferenceSession:
    path = REPOSITORY / folder / "1" / "model.onnx"
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("folder", ["lite0_encoder", "lite0_decoder"])
def test_graphs_tell_nothing_of_the_machine_that_made_them(folder: str) -> None:
    """The exporter's notes, with the paths of its sources, are not in the files that are published."""
    assert b"graphs.py" not in (REPOSITORY / folder / "1" / "model.onnx").read_bytes()
