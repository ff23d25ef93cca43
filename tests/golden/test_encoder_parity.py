"""Our ViT image encoder against the reference's, as wide as ViT-B, ViT-L and ViT-H, on the same random weights."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import pytest
import torch
from torch import nn

from maskforge.sam.config import SamConfig
from maskforge.sam.image_encoder import PIXEL_MEAN, PIXEL_STD, VitImageEncoder
from maskforge.sam.variants import VARIANTS
from tests.golden.reference import drawn, reference_encoder

if TYPE_CHECKING:
    from torch import Tensor

TOLERANCE = 1e-4
WHOLE, STICKING_OUT = 448, 320
"""Sides of a frame: 28 tokens, two windows; 20 tokens, of which the second window has 6, and 8 of padding."""

VALID = ((1.0, 1.0), (0.6, 1.0), (1.0, 0.37))
"""Shares of the frame's height and width: square, landscape, portrait."""


class Pair(NamedTuple):
    """The reference's encoder, ours, and a batch of frames uint8 [B,3,S,S] with their valid sizes int32 [B,2]."""

    reference: nn.Module
    ours: VitImageEncoder
    frames: Tensor
    valid_hw: Tensor


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "side"), [("vit_b", WHOLE), ("vit_b", STICKING_OUT), ("vit_l", STICKING_OUT), ("vit_h", STICKING_OUT)]
)
def test_embeddings_are_the_references(name: str, side: int) -> None:
    """Frames of different valid sizes in one batch give what the reference gives each of them alone."""
    pair = _pair(name, side)
    with torch.inference_mode():
        actual = pair.ours(pair.frames, pair.valid_hw)
        expected = [_reference(pair, frame, valid) for frame, valid in zip(pair.frames, pair.valid_hw, strict=True)]

    assert (torch.cat(expected) - actual).abs().max() <= TOLERANCE
    assert actual.std() > 0.5  # something to be compared


@pytest.mark.slow
def test_what_the_padding_holds_does_not_matter() -> None:
    """A client may pad with anything: the frame is zeroed beyond its valid size."""
    pair = _pair("vit_b", STICKING_OUT)
    height, width = pair.valid_hw[1]
    other = pair.frames[1:2].clone()
    other[..., height:, :], other[..., width:] = 7, 200
    with torch.inference_mode():
        first, second = (pair.ours(frame, pair.valid_hw[1:2]) for frame in (pair.frames[1:2], other))

    assert torch.equal(first, second)


def _pair(name: str, side: int) -> Pair:
    """Make both encoders as wide as a published one, with one windowed and one global block."""
    torch.manual_seed(11)
    config, vit = SamConfig(image_size=side), replace(VARIANTS[name], depth=2, global_blocks=(1,))
    reference = drawn(reference_encoder(vit, side).eval())
    ours = VitImageEncoder(config, vit).eval()
    ours.load_state_dict(reference.state_dict(), strict=True)
    frames = torch.randint(0, 256, (len(VALID), 3, side, side), dtype=torch.uint8)
    valid_hw = torch.tensor([[round(side * height), round(side * width)] for height, width in VALID], dtype=torch.int32)
    return Pair(reference, ours, frames, valid_hw)


def _reference(pair: Pair, frame: Tensor, valid: Tensor) -> Tensor:
    """Normalise and pad as `Sam.preprocess` does, then encode: float [1,C,E,E]."""
    height, width = valid.tolist()
    mean, deviation = (torch.tensor(values).view(3, 1, 1) for values in (PIXEL_MEAN, PIXEL_STD))
    pixels = (frame[:, :height, :width] - mean) / deviation
    side = frame.shape[-1]
    padded = nn.functional.pad(pixels, (0, side - width, 0, side - height))
    embedding: Tensor = pair.reference(padded[None])
    return embedding
