from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from maskforge.engines.profiles import Shapes, profile_of, read_profile, write_profile
from maskforge.errors import IncompleteModel
from maskforge.export.triton_config import triton_models
from maskforge.sam.config import SamConfig

if TYPE_CHECKING:
    from pathlib import Path

ENCODER, DECODER, MULTI = triton_models("tiny", SamConfig(), {})


def test_an_encoder_is_tuned_for_one_image() -> None:
    """A batch of images is hardly faster than one after the other, so the plan is tuned for one."""
    assert {
        "image": Shapes((1, 3, 1024, 1024), (1, 3, 1024, 1024), (4, 3, 1024, 1024)),
        "valid_hw": Shapes((1, 2), (1, 2), (4, 2)),
    } == profile_of(ENCODER)


def test_a_decoder_is_tuned_for_the_first_preferred_batch() -> None:
    """The decoder of single prompts takes 1 to 32 images of one prompt, and likes 8."""
    profile = profile_of(DECODER)

    assert Shapes((1, 256, 64, 64), (8, 256, 64, 64), (32, 256, 64, 64)) == profile["image_embeddings"]
    assert Shapes((1, 1, 8, 2), (8, 1, 8, 2), (32, 1, 8, 2)) == profile["point_coords"]
    assert Shapes((1, 1), (8, 1), (32, 1)) == profile["select"]


def test_the_multi_decoder_is_tuned_for_many_prompts_on_one_image() -> None:
    """The decoder of many prompts takes 1 to 64 of them on 1 or 2 images, of 8 to 64 slots each; most have 8."""
    profile = profile_of(MULTI)

    assert Shapes((1, 256, 64, 64), (1, 256, 64, 64), (2, 256, 64, 64)) == profile["image_embeddings"]
    assert Shapes((1, 1, 8, 2), (1, 32, 8, 2), (2, 64, 64, 2)) == profile["point_coords"]
    assert Shapes((1, 1, 8), (1, 32, 8), (2, 64, 64)) == profile["point_labels"]
    assert Shapes((1, 1, 256, 256), (1, 32, 256, 256), (2, 64, 256, 256)) == profile["mask_input"]


@pytest.mark.parametrize("model", [ENCODER, DECODER, MULTI], ids=lambda model: model.stage)
def test_every_input_has_a_range(model) -> None:  # noqa: ANN001
    """TensorRT refuses a free axis without limits, so the profile leaves no input out."""
    assert [tensor.name for tensor in model.inputs] == list(profile_of(model))


@pytest.mark.parametrize("model", [ENCODER, DECODER, MULTI], ids=lambda model: model.stage)
def test_a_profile_survives_its_file(model, tmp_path: Path) -> None:  # noqa: ANN001
    """What is read from a folder is what was written into it."""
    write_profile(tmp_path, model)

    assert profile_of(model) == read_profile(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", '{"image": 3}', '{"image": {"min": [1]}}', '{"image": {"min": 1}}'])
def test_a_broken_profile_is_named(text: str, tmp_path: Path) -> None:
    """A file that is no profile is an error that says which file, and what to do."""
    (tmp_path / "profile.json").write_text(text, encoding="utf-8")

    with pytest.raises(IncompleteModel, match=r"profile\.json is no profile .*`maskforge build`"):
        read_profile(tmp_path)


def test_a_missing_profile_is_named(tmp_path: Path) -> None:
    """A folder from before there were profiles has to be built again."""
    with pytest.raises(IncompleteModel, match=r"profile\.json is no profile .*`maskforge build`"):
        read_profile(tmp_path)
