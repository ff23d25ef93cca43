"""First prompts: a noisy box or a click (SAM paper, appendix A, "Training algorithm")."""

import numpy as np
import numpy.typing as npt

from maskforge.annotations import BoolMask
from maskforge.clicks import centre_click, random_click, tight_box
from maskforge.sam.prompt_encoder import BOX_BOTTOM_RIGHT, BOX_TOP_LEFT, FOREGROUND, PAD_POINT
from maskforge.training.recipe import ExampleConfig

Floats = npt.NDArray[np.float32]

FIRST_SLOTS = 2


def first_prompt(mask: BoolMask, config: ExampleConfig, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Draw a box, or a click and SAM's pad point: coords float32 [2,2], XY pixels, and labels float32 [2]."""
    if rng.random() < config.box_share:
        box = noisy_box(mask, config, rng)
        return box.reshape(2, 2), np.array([BOX_TOP_LEFT, BOX_BOTTOM_RIGHT], np.float32)
    centred = rng.random() < config.centre_share
    click = centre_click(mask) if centred else random_click(mask, rng)
    return np.array([click, (0, 0)], np.float32), np.array([FOREGROUND, PAD_POINT], np.float32)


def noisy_box(mask: BoolMask, config: ExampleConfig, rng: np.random.Generator) -> Floats:
    """Return the box around the mask bool [S,S], each edge moved by normal noise: float32 XYXY within the frame."""
    box = tight_box(mask)
    size = np.tile(box[2:] - box[:2], 2)
    limit = config.box_noise_limit * max(mask.shape)
    noise = (rng.standard_normal(4) * config.box_noise * size).clip(-limit, limit)
    height, width = mask.shape
    return (box + noise).clip(0, [width, height, width, height]).astype(np.float32)
