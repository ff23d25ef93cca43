"""What the models are asked: the forge's test card, and the photos of docs/photos for weights that are trained."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image
from pycocotools import mask as run_lengths

from maskforge.clicks import centre_click
from maskforge.export.test_card import TestCard, draw_test_card
from maskforge.export.triton_config import POINT_SLOTS
from maskforge.preprocessing import Letterbox
from maskforge.sam.config import SamConfig
from maskforge.sam.prompt_encoder import BOX_BOTTOM_RIGHT, BOX_TOP_LEFT, EMPTY_SLOT, FOREGROUND, PAD_POINT

PHOTOS: Final = Path("docs/photos")
AMBIGUOUS_TOKENS: Final = 2

Floats = npt.NDArray[np.float32]
Slot = tuple[float, float, float]
"""x, y in pixels of the photo, label."""


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """An image with N prompts.

    Attributes:
        name: For people.
        card: The image as the encoder gets it, and the prompts.
        select: float32 [N], which mask is compared: 0 the single-mask token's, 1 the best of the multimask tokens.
    """

    name: str
    card: TestCard
    select: Floats

    def prompts(self) -> dict[str, npt.NDArray[Any]]:
        """Give the prompts' tensors by the names that the graph has for them, N first."""
        return {
            "point_coords": self.card.point_coords,
            "point_labels": self.card.point_labels,
            "mask_input": self.card.mask_input,
            "has_mask_input": self.card.has_mask_input,
            "select": self.select,
        }


def asked_again(trial: Trial) -> Trial:
    """Ask once more, for the single mask, wherever the gateway would choose the best of the multimask tokens."""
    again = trial.select > 0
    arrays = {name: np.concatenate([array, array[again]]) for name, array in trial.prompts().items()}
    select = np.concatenate([trial.select, np.zeros(again.sum(), np.float32)])
    del arrays["select"]
    return Trial(trial.name, trial.card._replace(**arrays), select)


def test_card_trial(config: SamConfig) -> Trial:
    """The card that every build is checked with: five prompts, one of them with a mask input."""
    card = draw_test_card(config)
    return Trial("test card", card, _select(card.point_labels))


def photo_trials(config: SamConfig) -> list[Trial]:
    """Each photo of docs/photos with the box of its object, a click on it, and both."""
    objects = json.loads((PHOTOS / "truth.json").read_text(encoding="utf-8"))
    return [_photo_trial(config, name, objects[name]) for name in sorted(objects)]


def _photo_trial(config: SamConfig, name: str, known: Mapping[str, Any]) -> Trial:
    with Image.open(PHOTOS / f"{name}.jpg") as opened:
        photo = opened.convert("RGB")
    letterbox = Letterbox.fit(photo.height, photo.width, config.image_size)
    prompts = np.array(_prompts(known), np.float32)
    card = TestCard(
        image=np.ascontiguousarray(letterbox.resize(photo).transpose(2, 0, 1))[None],
        valid_hw=np.array([[letterbox.new_height, letterbox.new_width]], np.int32),
        point_coords=letterbox.to_frame(prompts[..., :2]),
        point_labels=prompts[..., 2],
        mask_input=np.zeros((len(prompts), config.mask_size, config.mask_size), np.float16),
        has_mask_input=np.zeros(len(prompts), np.float32),
    )
    return Trial(name, card, _select(card.point_labels))


def _prompts(known: Mapping[str, Any]) -> list[list[Slot]]:
    x, y, width, height = known["box"]
    column, row = centre_click(run_lengths.decode({"size": known["size"], "counts": known["counts"]}).astype(np.bool_))
    click = (column, row, FOREGROUND)
    box = ((x, y, BOX_TOP_LEFT), (x + width, y + height, BOX_BOTTOM_RIGHT))
    prompts = (box, (click, (0.0, 0.0, PAD_POINT)), (click, *box))
    return [[*slots, *[(0.0, 0.0, EMPTY_SLOT)] * (POINT_SLOTS - len(slots))] for slots in prompts]


def _select(labels: Floats) -> Floats:
    """Choose as the gateway does unless told otherwise: at most two tokens, a click or a box alone, are ambiguous."""
    return ((labels != EMPTY_SLOT).sum(-1) <= AMBIGUOUS_TOKENS).astype(np.float32)
