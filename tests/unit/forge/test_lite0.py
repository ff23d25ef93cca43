from pathlib import Path

import pytest
import torch
from torch import nn

from maskforge.checkpoints.weights import load_weights, save_weights, weights_digest
from maskforge.errors import InvalidCheckpoint
from maskforge.lite0.trunk import EfficientNetLite0
from maskforge.sam.pixels import valid_area
from maskforge.sam.precision import Affine, Precision, lower


def test_weights_survive_as_half(tmp_path: Path) -> None:
    """Parameters and buffers come back rounded to fp16, and the digest is the file's."""
    torch.manual_seed(0)
    saved, loaded = (nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)) for _ in range(2))
    save_weights(saved, tmp_path / "w.safetensors")
    load_weights(loaded, tmp_path / "w.safetensors")
    for name, tensor in saved.state_dict().items():
        torch.testing.assert_close(tensor.half().to(tensor.dtype), loaded.state_dict()[name])
    assert weights_digest(tmp_path / "w.safetensors").startswith("sha256:")


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    """A name that is missing is an error."""
    save_weights(nn.Linear(3, 2, bias=False), tmp_path / "w.safetensors")
    with pytest.raises(InvalidCheckpoint, match=r"w\.safetensors holds the weights of another model: .*bias"):
        load_weights(nn.Linear(3, 2), tmp_path / "w.safetensors")


@pytest.mark.parametrize(
    ("name", "complaint"),
    [("junk.pth", "is no file of safetensors"), (".", "is a folder"), ("nowhere", "cannot be read: No such file")],
)
def test_what_holds_no_weights_is_refused(tmp_path: Path, name: str, complaint: str) -> None:
    """Another format, a folder and a missing file are told apart."""
    (tmp_path / "junk.pth").write_bytes(b"junk of more than eight bytes")
    with pytest.raises(InvalidCheckpoint, match=complaint):
        load_weights(nn.Linear(3, 2), tmp_path / name)


def test_a_batch_norm_is_lowered_to_a_scale_and_a_shift() -> None:
    """Outside training the two are one function."""
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(3, eps=1e-3).eval()
    for tensor in (norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var):
        assert tensor is not None
        tensor.uniform_(0.5, 2)
    x = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(Affine(norm)(x), norm(x))


def test_padding_is_not_valid() -> None:
    """Rows beyond the height and columns beyond the width are 0."""
    area = valid_area(torch.tensor([[1, 3], [2, 2]], dtype=torch.int32), 3)
    torch.testing.assert_close(torch.tensor([[1.0, 1, 1], [0, 0, 0], [0, 0, 0]]), area[0, 0])
    torch.testing.assert_close(torch.tensor([[1.0, 1, 0], [1, 1, 0], [0, 0, 0]]), area[1, 0])


def test_the_trunk_has_strides_8_16_and_32() -> None:
    """The trunk's outputs have the channels and strides that the neck expects."""
    with torch.inference_mode():
        shapes = [tuple(feature.shape) for feature in EfficientNetLite0().eval()(torch.zeros(1, 3, 64, 64))]
    assert shapes == [(1, 40, 8, 8), (1, 112, 4, 4), (1, 320, 2, 2)]


@pytest.mark.parametrize("precision", list(Precision))
def test_the_trunk_is_exact_in_every_precision(precision: Precision) -> None:
    """In a low precision, weights that came from fp16 are stored in fp16, and the features stay what fp32 gives."""
    torch.manual_seed(0)
    trunk, image = EfficientNetLite0().eval(), torch.randn(1, 3, 64, 64)
    trunk.load_state_dict({name: tensor.half() for name, tensor in trunk.state_dict().items()})
    with torch.inference_mode():
        expected = trunk(image)
        lower(trunk, precision)
        actual = trunk(image)
    stored = {layer.weight.dtype for layer in trunk.modules() if isinstance(layer, nn.Conv2d)}
    assert {torch.float32 if precision is Precision.FP32 else torch.float16} == stored
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)


def test_training_leaves_batch_norm_alone() -> None:
    """The trunk's batch norm keeps its stored statistics in training mode."""
    trunk = EfficientNetLite0().train()
    norms = [module for module in trunk.modules() if isinstance(module, nn.BatchNorm2d)]
    assert trunk.training
    assert not any(norm.training for norm in norms)
