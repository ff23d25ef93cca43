"""lite0 as it is run in training: what is computed in which precision, and what is compiled."""

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from maskforge.sam.model import Prompts, Sam
from maskforge.training.drop_path import add_drop_path
from maskforge.training.optimiser import thaw
from maskforge.training.recipe import Recipe

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle

    from maskforge.lite0.encoder import Lite0ImageEncoder


class Student:
    """Runs a model for its gradient, the decoder compiled if asked for.

    Compiled, a decode with its gradient takes 0.35 s instead of 0.48 (32 prompts at 256 px, two cores). Only the
    decoder is: half of its time goes to sums and norms, which fuse; the encoder's goes to convolutions, which do not.
    """

    def __init__(self, model: Sam, *, compiled: bool) -> None:
        """Run `model`; compiling needs a C++ compiler and a minute for each size of image."""
        self.model = model
        self.encoder = cast("Lite0ImageEncoder", model.image_encoder)
        self._dropping: list[RemovableHandle] = []
        self._decode = torch.compile(model.decode, dynamic=False) if compiled else model.decode

    def thaw(self, recipe: Recipe, step: int) -> None:
        """Let of the trunk learn what does so at `step`, and then drop paths: a frozen trunk is run as it is."""
        if thaw(self.model, recipe, step) and not self._dropping:
            self._dropping = add_drop_path(self.encoder, recipe.drop_path, recipe.frozen_blocks)

    def encode(self, images: Tensor, valid_hw: Tensor) -> Tensor:
        """Encode; the trunk in fp32, as bf16 makes its depthwise convolutions slower on a CPU, the neck in bf16."""
        normalised = self.encoder.normalise(images.contiguous(memory_format=torch.channels_last), valid_hw)
        features = self.encoder.trunk(normalised)
        with torch.autocast("cpu", torch.bfloat16):
            return self.encoder.neck(features)

    def decode(self, embeddings: Tensor, prompts: Prompts) -> tuple[Tensor, Tensor]:
        """Decode one prompt of each image, in bf16: logits float32 [B,T,M,M] and predicted IoU float32 [B,T]."""
        with torch.autocast("cpu", torch.bfloat16):
            logits, predicted = self._decode(embeddings, Prompts(*(each.unsqueeze(1) for each in prompts)))
        return logits.squeeze(1).float(), predicted.squeeze(1).float()
