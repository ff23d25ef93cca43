"""How fast a predictor is: its port, wrapped in a clock."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Self

from maskforge.annotations import Photo
from maskforge.evaluation.ports import Found, Predictor, Prompt, Tokens, View


@dataclass(slots=True)
class Pace:
    """What one process did in which time.

    Attributes:
        photos: Photos that were looked at.
        look_seconds: How long that took: reading, resizing and encoding.
        prompts: Prompts that were answered.
        masks: Masks of the answers, scaled up to the photos' sizes.
        segment_seconds: How long that took.
    """

    photos: int = 0
    look_seconds: float = 0.0
    prompts: int = 0
    masks: int = 0
    segment_seconds: float = 0.0

    @classmethod
    def total(cls, paces: Iterable[Self]) -> Self:
        """Add up."""
        all_of_them = list(paces)
        return cls(*(sum(getattr(pace, each.name) for pace in all_of_them) for each in fields(cls)))


class PacedPredictor:
    """Looks at the clock before and after."""

    def __init__(self, predictor: Predictor, pace: Pace) -> None:
        """Note in `pace` what `predictor` takes."""
        self._predictor = predictor
        self._pace = pace

    def look_at(self, photo: Photo) -> View:
        """Make a photo ready."""
        start = time.perf_counter()
        view = self._predictor.look_at(photo)
        self._pace.look_seconds += time.perf_counter() - start
        self._pace.photos += 1
        return PacedView(view, self._pace)


class PacedView:
    """A photo, with a clock."""

    def __init__(self, view: View, pace: Pace) -> None:
        """Note in `pace` what `view` takes."""
        self._view = view
        self._pace = pace

    def segment(self, prompts: Sequence[Prompt], tokens: Tokens) -> list[list[Found]]:
        """Answer each prompt."""
        start = time.perf_counter()
        answers = self._view.segment(prompts, tokens)
        self._pace.segment_seconds += time.perf_counter() - start
        self._pace.prompts += len(prompts)
        self._pace.masks += sum(map(len, answers))
        return answers
