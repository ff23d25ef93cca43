"""Turns photos with named masks into features, by the frozen encoder."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from maskforge.annotations import Annotation, BoolMask, Photo
from maskforge.preprocessing import Letterbox
from maskforge.sam.model import Sam
from maskforge.semantics.head import pool

SURE: Final = 20.0
"""The logit of a pixel that is known, as for masks that users draw."""
MASKS_A_PHOTO: Final = 24
"""A photo of 300 nuclei teaches no more."""


class Example(NamedTuple):
    """A mask that has a name.

    Attributes:
        source: The photo's source.
        annotation: What was drawn.
        features: float32 [2C+1].
    """

    source: str
    annotation: Annotation
    features: Tensor


@dataclass(frozen=True, slots=True)
class FeatureReader:
    """Computes the features of a photo's masks, the largest first."""

    model: Sam

    @torch.inference_mode()
    def __call__(self, photo: Photo) -> list[Example]:
        """Encode a photo and pool under each of its masks."""
        letterbox = Letterbox.fit(photo.height, photo.width, self.model.config.image_size)
        some = sorted(photo.annotations, key=lambda annotation: -annotation.area)[:MASKS_A_PHOTO]
        logits = torch.from_numpy(np.stack([self._logits(each.mask(), letterbox) for each in some]))
        features = pool(self._encode(photo, letterbox), logits[None])[0]
        return [Example(photo.source, each, one) for each, one in zip(some, features, strict=True)]

    def _encode(self, photo: Photo, letterbox: Letterbox) -> Tensor:
        frame = letterbox.resize(photo.read())
        valid = torch.tensor([(letterbox.new_height, letterbox.new_width)], dtype=torch.int32)
        return self.model.encode(torch.from_numpy(frame.transpose(2, 0, 1).copy())[None], valid).half().float()

    def _logits(self, mask: BoolMask, letterbox: Letterbox) -> np.ndarray:
        """Write a mask as the logits float32 [M,M] that a decoder which is sure of it would give."""
        side = self.model.config.mask_size
        cell = letterbox.image_size / side
        height, width = (max(1, round(extent / cell)) for extent in (letterbox.new_height, letterbox.new_width))
        share = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
        logits = np.full((side, side), -SURE, np.float32)
        logits[:height, :width] = (2 * share - 1) * SURE
        return logits


def by_source(examples: Sequence[Example]) -> dict[str, list[Example]]:
    """Sort examples by source."""
    sources: dict[str, list[Example]] = {}
    for example in examples:
        sources.setdefault(example.source, []).append(example)
    return sources
