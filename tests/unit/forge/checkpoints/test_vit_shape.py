from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from maskforge.checkpoints.vit_shape import infer_vit
from maskforge.errors import InvalidCheckpoint, MismatchedCheckpoint
from maskforge.sam.variants import VARIANTS, build_sam
from tests.unit.forge.checkpoints.sizes import SMALL

if TYPE_CHECKING:
    from maskforge.sam.image_encoder import VitConfig

POSITIONS = "image_encoder.pos_embed"
RELATIVE = "image_encoder.blocks.1.attn.rel_pos_h"


def _shapes(vit: VitConfig) -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        return build_sam(vit).state_dict()


@pytest.mark.parametrize("name", VARIANTS)
def test_published_sizes_are_inferred(name: str) -> None:
    """The shapes of ViT-B, ViT-L and ViT-H tell all that makes them differ."""
    assert VARIANTS[name] == infer_vit(_shapes(VARIANTS[name]))


@pytest.mark.parametrize(
    "vit",
    [
        SMALL,
        replace(SMALL, global_blocks=(0, 1)),
        replace(SMALL, global_blocks=()),
        replace(SMALL, window=8, mlp_ratio=2, heads=4),
    ],
    ids=["reduced", "all global", "none global", "other window"],
)
def test_other_sizes_are_inferred(vit: VitConfig) -> None:
    """A model that was never published is as good."""
    assert vit == infer_vit(_shapes(vit))


@pytest.mark.parametrize("name", [POSITIONS, RELATIVE, "image_encoder.blocks.0.mlp.lin1.weight"])
def test_a_tensor_that_tells_a_size_must_be_there(name: str) -> None:
    """What is missing is named."""
    shapes = _shapes(SMALL)
    del shapes[name]

    with pytest.raises(MismatchedCheckpoint, match=f"no ViT image encoder of SAM: {name} is missing") as caught:
        infer_vit(shapes)

    assert (name,) == caught.value.missing


@pytest.mark.parametrize(
    ("name", "shape", "complaint"),
    [
        (POSITIONS, (64, 64, 48), r"pos_embed has the shape \(64, 64, 48\)"),
        (POSITIONS, (1, 64, 64, 0), "pos_embed has the shape"),
        ("image_encoder.blocks.0.attn.rel_pos_h", (27, 17), "48 channels in heads of 17"),
    ],
)
def test_shapes_that_make_no_sense_are_refused(name: str, shape: tuple[int, ...], complaint: str) -> None:
    """A shape from which no size follows is an error of its own, before anything is built."""
    shapes = _shapes(SMALL) | {name: torch.empty(shape, device="meta")}

    with pytest.raises(InvalidCheckpoint, match=complaint):
        infer_vit(shapes)


@pytest.mark.parametrize(("rows", "columns", "told"), [(32, 32, "512 x 512"), (64, 48, "768 x 1024")])
def test_another_image_size_is_told(rows: int, columns: int, told: str) -> None:
    """A fine-tune on smaller images is refused for that, not for a list of shapes."""
    shapes = _shapes(SMALL) | {POSITIONS: torch.empty((1, rows, columns, 48), device="meta")}

    with pytest.raises(MismatchedCheckpoint, match=f"trained on images of {told} pixels") as caught:
        infer_vit(shapes)

    assert (POSITIONS,) == caught.value.differing


def test_a_gap_between_blocks_is_missing() -> None:
    """A name with an absurd number makes no model of that depth."""
    shapes = _shapes(SMALL) | {"image_encoder.blocks.999999999.norm1.weight": torch.empty(48, device="meta")}

    with pytest.raises(MismatchedCheckpoint, match=r"blocks\.2\.attn\.rel_pos_h is missing"):
        infer_vit(shapes)
