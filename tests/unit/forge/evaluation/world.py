"""Photos drawn by hand, and predictors that answer what a test wants."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from pycocotools import mask as run_lengths

from maskforge.annotations import Annotation, Photo
from maskforge.evaluation.ports import Found, Prompt, Tokens

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from torch import Tensor

    from maskforge.annotations import BoolMask, RgbImage
    from maskforge.evaluation.models import FramedPrompts


def rectangle(height: int, width: int, rows: slice, columns: slice) -> BoolMask:
    mask = np.zeros((height, width), np.bool_)
    mask[rows, columns] = True
    return mask


def encoded(mask: BoolMask) -> Mapping[str, Any]:
    coded: Mapping[str, Any] = run_lengths.encode(np.asfortranarray(mask.astype(np.uint8)))
    return coded


def photo_of(folder: Path, *masks: BoolMask, source: str = "made up", ignore: BoolMask | None = None) -> Photo:
    """A black photo with masks."""
    height, width = masks[0].shape
    path = folder / f"{source}.png"
    Image.new("RGB", (width, height)).save(path)
    left_out = None if ignore is None else encoded(ignore)
    annotations = tuple(Annotation(int(mask.sum()), encoded(mask), left_out) for mask in masks)
    return Photo(path, width, height, source, annotations)


@dataclass
class FakePredictor:
    """Answers every prompt with the same masks, token by token, and remembers what it was asked."""

    masks: Sequence[BoolMask]
    predicted: Sequence[float]
    asked: list[tuple[Sequence[Prompt], Tokens]] = field(default_factory=list)

    def look_at(self, photo: Photo) -> FakePredictor:
        assert photo.annotations
        return self

    def segment(self, prompts: Sequence[Prompt], tokens: Tokens) -> list[list[Found]]:
        self.asked.append((list(prompts), tokens))
        some = len(self.masks) if tokens is Tokens.ALL else 1
        each = zip(self.masks[:some], self.predicted[:some], range(some), strict=True)
        founds = [Found(mask, predicted, 0.5, start=f"token {token}") for mask, predicted, token in each]
        return [founds for _ in prompts]


class FakeModel:
    """A model of 32 pixels and logits of 8 x 8, whose T masks are given as logits; remembers what it was asked."""

    image_size = 32

    def __init__(self, logits: Tensor, predicted: Sequence[float]) -> None:
        self._logits = logits
        self._predicted = torch.tensor(predicted)
        self.encoded: list[tuple[RgbImage, tuple[int, int]]] = []
        self.decoded: list[FramedPrompts] = []

    def encode(self, frame: RgbImage, valid_hw: tuple[int, int]) -> str:
        self.encoded.append((frame, valid_hw))
        return "embedding"

    def decode(self, embedding: str, prompts: FramedPrompts) -> tuple[Tensor, Tensor]:
        assert embedding == "embedding"
        self.decoded.append(prompts)
        rows = len(prompts.labels)
        return self._logits.expand(rows, *self._logits.shape), self._predicted.expand(rows, -1)
