"""The reference implementation with seeded random weights, and photos to put before it."""

from __future__ import annotations

import importlib
import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from maskforge.sam.variants import VARIANTS
from tests.golden.reference import reference_sam

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from maskforge.sam.image_encoder import VitConfig

Photo = npt.NDArray[np.uint8]

SEED: Final = 20230405
"""Of all weights: the same on each machine that has the same torch."""
_TAPPED: Final = 4
"""Dimensions of a transposed convolution's weights."""


def vit_of(name: str, depth: int | None = None) -> VitConfig:
    """Return a published image encoder's sizes, cut off after `depth` blocks for a quick look."""
    vit = VARIANTS[name]
    if depth is None:
        return vit
    return replace(vit, depth=depth, global_blocks=tuple(block for block in vit.global_blocks if block < depth))


def seeded_reference(vit: VitConfig) -> nn.Module:
    """Make Meta's model with random weights, always the same ones."""
    torch.manual_seed(SEED)
    return reference_sam(vit)


def calm(reference: nn.Module) -> nn.Module:
    """Take out of random weights what makes their masks noise: positions, and the four taps of each upscaling.

    A mask of noise has 37,000 runs in a photo of 1024 x 768 and weighs 80 KB; a trained model's, and one of these, a
    thousand or a few. Where answers are written and sent that would count. What it takes to compute them is the same.
    And one mask is clearly the best: all precisions have to choose the same.
    """
    encoder, upscaling = (
        reference.get_submodule("image_encoder"),
        reference.get_submodule("mask_decoder.output_upscaling"),
    )
    with torch.no_grad():
        for name, parameter in encoder.named_parameters():
            if "pos" in name:
                parameter.zero_()
        for parameter in upscaling.parameters():
            if parameter.ndim == _TAPPED:
                parameter.copy_(parameter.mean(dim=(2, 3), keepdim=True).expand_as(parameter))
        reference.get_parameter("mask_decoder.iou_prediction_head.layers.2.bias")[-1] += 1
    return reference


def write_checkpoint(reference: nn.Module, path: Path) -> None:
    """Write a model's weights as Meta's `.pth`."""
    torch.save(reference.state_dict(), path)


def predictor(model: nn.Module) -> Any:  # noqa: ANN401 - the reference has no types
    """Return the reference's own `SamPredictor`.

    It scales photos with two functions of torchvision, which is not installed here. Pillow's are what those two call
    on an array (torchvision/transforms/functional.py, `to_pil_image`; _functional_pil.py, `resize`).
    """
    transforms: Any = importlib.import_module("segment_anything.utils.transforms")
    transforms.to_pil_image = Image.fromarray
    transforms.resize = _resize
    return importlib.import_module("segment_anything").SamPredictor(model)


def _resize(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    height, width = size
    return image.resize((width, height), Image.Resampling.BILINEAR)


def draw_photo(height: int, width: int, seed: int) -> Photo:
    """Draw soft blots of colour, RGB [H,W,3]; each seed gives another photo."""
    blots = np.random.default_rng(seed).integers(0, 256, (height // 64, width // 64, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(blots).resize((width, height), Image.Resampling.BICUBIC))


def as_jpeg(photo: Photo) -> bytes:
    """Write a photo as a client would upload it."""
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
