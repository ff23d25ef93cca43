"""What the evaluator needs of whoever segments: torch, an exported graph, a service, or a baseline without a model."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

from maskforge.annotations import BoolMask, Photo

Floats = npt.NDArray[np.float32]


class Tokens(Enum):
    """Which of the decoder's outputs are asked for."""

    SINGLE = "single"
    """The single-mask token alone."""
    ALL = "all"
    """The single-mask token, then the readings of an ambiguous prompt."""


@dataclass(frozen=True, slots=True)
class Found:
    """One mask that a prompt was answered with.

    Attributes:
        pixels: bool [h,w], pixels of the photo.
        predicted_iou: The model's own estimate; NaN where there is none.
        stability: Logits above +1 divided by logits above -1; NaN where there is none.
        start: What the next prompt starts from to correct this mask; it means something to its predictor alone.
    """

    pixels: BoolMask
    predicted_iou: float = float("nan")
    stability: float = float("nan")
    start: object = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """Clicks or a box, and perhaps the mask to correct.

    Attributes:
        points: Each (x, y, label) in pixels of the photo; label 1 is foreground, 0 background.
        box: XYXY pixel edges, the far ones exclusive.
        start: `Found.start` of an earlier answer about the same photo.
    """

    points: tuple[tuple[int, int, int], ...] = ()
    box: tuple[int, int, int, int] | None = None
    start: object = None

    def corrected(self, found: Found, *clicks: tuple[int, int, int]) -> Self:
        """Return this prompt with further clicks, starting from a mask."""
        return replace(self, points=self.points + clicks, start=found.start)


class View(Protocol):
    """One photo, ready for prompts."""

    def segment(self, prompts: Sequence[Prompt], tokens: Tokens) -> list[list[Found]]:
        """Answer each prompt. All have as many points, and all or none of them a box, and a mask to start from."""


class Predictor(Protocol):
    """Whoever segments."""

    def look_at(self, photo: Photo) -> View:
        """Make a photo ready: what takes long and is done once, such as encoding it, is done here."""
