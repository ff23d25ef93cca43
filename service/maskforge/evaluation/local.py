"""A model that runs here, as a predictor: from a photo's pixels to the model's frame, and back."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from torch import Tensor

from maskforge.annotations import Photo
from maskforge.evaluation.models import FramedPrompts, Model
from maskforge.evaluation.ports import Found, Prompt, Tokens
from maskforge.preprocessing import MASK_THRESHOLD, Letterbox
from maskforge.sam.prompt_encoder import BOX_BOTTOM_RIGHT, BOX_TOP_LEFT, PAD_POINT

STABILITY_OFFSET: Final = 1.0
"""`stability_score_offset` of the reference's automatic mask generator."""


class LocalPredictor:
    """Answers prompts with a model in this process."""

    def __init__(self, model: Model) -> None:
        """Answer with `model`."""
        self._model = model

    def look_at(self, photo: Photo) -> "LocalView":
        """Encode a photo."""
        letterbox = Letterbox.fit(photo.height, photo.width, self._model.image_size)
        embedding = self._model.encode(letterbox.resize(photo.read()), (letterbox.new_height, letterbox.new_width))
        return LocalView(self._model, letterbox, embedding)


class LocalView:
    """An encoded photo."""

    def __init__(self, model: Model, letterbox: Letterbox, embedding: Any) -> None:  # noqa: ANN401
        """Decode prompts with `model` on the embedding that it made of the photo in `letterbox`."""
        self._model = model
        self._letterbox = letterbox
        self._embedding = embedding

    def segment(self, prompts: Sequence[Prompt], tokens: Tokens) -> list[list[Found]]:
        """Answer each prompt; see `View`. A mask to start from is its logits float32 [M,M]."""
        logits, iou = self.decode(prompts)
        if tokens is Tokens.SINGLE:
            logits, iou = logits[:, :1], iou[:, :1]
        return [self._founds(*row) for row in zip(logits, iou, stability(self.visible(logits)), strict=True)]

    def decode(self, prompts: Sequence[Prompt]) -> tuple[Tensor, Tensor]:
        """Return what the decoder says: logits float32 [K,T,M,M] and predicted IoU [K,T]."""
        return self._model.decode(self._embedding, _framed(prompts, self._letterbox))

    def at_photo(self, logits: Tensor) -> Tensor:
        """Resize logits [N,T,M,M] to the photo's pixels."""
        return self._letterbox.to_photo(logits)

    def visible(self, logits: Tensor) -> Tensor:
        """Leave of logits [...,M,M] the cells that the photo covers."""
        cell = self._letterbox.image_size / logits.shape[-1]
        height, width = (round(side / cell) for side in (self._letterbox.new_height, self._letterbox.new_width))
        return logits[..., : max(1, height), : max(1, width)]

    def _founds(self, logits: Tensor, iou: Tensor, stability: Tensor) -> list[Found]:
        """Scale up one mask after the other: all of a batch at once would be gigabytes."""
        return [
            Found(
                (self.at_photo(mask[None, None])[0, 0] > MASK_THRESHOLD).numpy(), float(one), float(two), mask.numpy()
            )
            for mask, one, two in zip(logits, iou, stability, strict=True)
        ]


def stability(logits: Tensor) -> Tensor:
    """Return how little masks change with their threshold: logits [...,h,w] to [...], 0 where there is no mask.

    `calculate_stability_score` of `segment_anything/utils/amg.py`.
    """
    inner, outer = (
        (logits > offset).sum((-1, -2))
        for offset in (MASK_THRESHOLD + STABILITY_OFFSET, MASK_THRESHOLD - STABILITY_OFFSET)
    )
    return inner / outer.clamp(min=1)


def _framed(prompts: Sequence[Prompt], letterbox: Letterbox) -> FramedPrompts:
    rows = [_slots(prompt) for prompt in prompts]
    slots = np.array(rows, np.float64)
    starts = [prompt.start for prompt in prompts]
    logits = None if starts[0] is None else np.stack([np.asarray(start, np.float32) for start in starts])
    return FramedPrompts(letterbox.to_frame(slots[..., :2]), slots[..., 2].astype(np.float32), logits)


def _slots(prompt: Prompt) -> list[tuple[float, float, float]]:
    """Lay out a prompt as (x, y, label); one without a box has SAM's pad point."""
    points = [(float(x), float(y), float(label)) for x, y, label in prompt.points]
    if prompt.box is None:
        return [*points, (0.0, 0.0, PAD_POINT)]
    x1, y1, x2, y2 = prompt.box
    return [*points, (x1, y1, BOX_TOP_LEFT), (x2, y2, BOX_BOTTOM_RIGHT)]
