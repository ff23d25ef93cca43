from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from maskforge.checkpoints.loading import load_sam
from maskforge.errors import MismatchedCheckpoint
from maskforge.sam.variants import build_sam
from tests.unit.forge.checkpoints.sizes import SMALL

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

NECK = "image_encoder.neck.0.weight"
TOKENS = "mask_decoder.mask_tokens.weight"


def _mismatch(path: Path, weights: dict[str, Tensor]) -> MismatchedCheckpoint:
    torch.save(weights, path / "sam.pth")
    with pytest.raises(MismatchedCheckpoint) as caught:
        load_sam(path / "sam.pth")
    return caught.value


def test_every_weight_is_the_files(official: Path, official_weights: dict[str, Tensor]) -> None:
    """Nothing is left as it was built, and the model is ready for inference."""
    model = load_sam(official)

    loaded = model.state_dict()
    assert official_weights.keys() == loaded.keys()
    assert all(torch.equal(official_weights[name], loaded[name]) for name in loaded)
    assert not model.training


def test_constants_are_built(official: Path, official_weights: dict[str, Tensor]) -> None:
    """What no file holds, such as the pixels' mean, is there though weights are not drawn."""
    expected = dict(build_sam(SMALL).named_buffers())

    actual = dict(load_sam(official).named_buffers())

    assert expected.keys() == actual.keys()
    assert all(torch.equal(expected[name], actual[name]) for name in expected.keys() - official_weights.keys())


def test_half_precision_becomes_fp32(tmp_path: Path, official_weights: dict[str, Tensor]) -> None:
    """A checkpoint in fp16 gives a model in fp32 with the rounded numbers."""
    torch.save({name: tensor.half() for name, tensor in official_weights.items()}, tmp_path / "sam.pth")

    loaded = load_sam(tmp_path / "sam.pth").state_dict()

    assert {torch.float32} == {tensor.dtype for tensor in loaded.values()}
    assert torch.equal(official_weights[NECK].half().float(), loaded[NECK])


def test_missing_names_are_named(tmp_path: Path, official_weights: dict[str, Tensor]) -> None:
    """A weight that is not there is an error: it would stay what it was built as."""
    error = _mismatch(tmp_path, {name: tensor for name, tensor in official_weights.items() if name != NECK})

    assert ((NECK,), (), ()) == (error.missing, error.unexpected, error.differing)
    assert f"{tmp_path / 'sam.pth'} does not hold the weights of SAM: missing: {NECK}" == str(error)


def test_unexpected_names_are_named(tmp_path: Path, official_weights: dict[str, Tensor]) -> None:
    """A weight that SAM has no place for is an error: the file is of a model that computes something else."""
    error = _mismatch(tmp_path, official_weights | {"mask_decoder.hf_token.weight": torch.zeros(1, 256)})

    assert ("mask_decoder.hf_token.weight",) == error.unexpected
    assert str(error).endswith(": unexpected: mask_decoder.hf_token.weight")


def test_other_shapes_are_told(tmp_path: Path, official_weights: dict[str, Tensor]) -> None:
    """A weight of another shape is told with both."""
    error = _mismatch(tmp_path, official_weights | {TOKENS: torch.zeros(7, 256)})

    assert (TOKENS,) == error.differing
    assert str(error).endswith(f"differing: {TOKENS} (7, 256) of float32 instead of (4, 256) of float32")


def test_quantised_weights_are_refused(tmp_path: Path, official_weights: dict[str, Tensor]) -> None:
    """Integers of the right shape are not taken for weights."""
    error = _mismatch(tmp_path, official_weights | {TOKENS: torch.zeros(4, 256, dtype=torch.int8)})

    assert str(error).endswith(f"differing: {TOKENS} (4, 256) of int8 instead of (4, 256) of float32")


def test_a_long_list_is_cut(tmp_path: Path, official_weights: dict[str, Tensor]) -> None:
    """The message stays one line, however much is wrong; the error itself holds every name."""
    encoder = {name: tensor for name, tensor in official_weights.items() if name.startswith("image_encoder.")}

    error = _mismatch(tmp_path, encoder | {"foo": torch.zeros(1)})

    assert len(official_weights) - len(encoder) == len(error.missing)
    assert f" and {len(error.missing) - 3} more; unexpected: foo" in str(error)
    assert len(str(error)) < 400
