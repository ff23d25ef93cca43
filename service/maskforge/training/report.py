"""Tells how a run goes: a line of JSON for programs, a sentence for people, a chart, and how long it will take."""

import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from maskforge.training.chart import draw_chart
from maskforge.training.exam import MEAN, Marks
from maskforge.training.journal import Journal
from maskforge.training.recipe import Recipe
from maskforge.training.rounds import Figures

log = logging.getLogger(__name__)

STEPS: Final = 25
"""Steps to a line; its figures are their means."""


class Reporter:
    """Gathers the figures of steps and exams."""

    def __init__(self, folder: Path, recipe: Recipe, step: int) -> None:
        """Go on with the folder's journal after `step`."""
        self._folder = folder
        self._recipe = recipe
        self._journal = Journal(folder / "log.jsonl", step)
        self._recent: list[tuple[float, ...]] = []

    def step(self, step: int, figures: Figures, seconds: float) -> None:
        """Take the figures of a step; every few steps write what they were on average."""
        self._recent.append((*figures, seconds))
        if step % STEPS:
            return
        means = dict(zip((*Figures._fields, "seconds"), _means(self._recent), strict=True))
        self._recent.clear()
        size = self._recipe.phase_at(step - 1).phase.image_size
        self._journal.write({"step": step, "image_size": size, **means})
        left = in_words(seconds_left(self._recipe, step, means["seconds"]))
        told = " ".join(f"{name} {value:.3f}" for name, value in means.items())
        log.info("step %d of %d, %d px: %s; %s left", step, self._recipe.steps, size, told, left)

    def exam(self, step: int, marks: Mapping[str, Marks]) -> None:
        """Take the marks of an exam, if it had questions."""
        if not marks:
            return
        rounded = {source: {n: round(v, 4) for n, v in row._asdict().items()} for source, row in marks.items()}
        self._journal.write({"step": step, "exam": rounded})
        log.info("exam after step %d: %s", step, " ".join(f"{n} {v:.3f}" for n, v in marks[MEAN]._asdict().items()))

    def draw(self) -> None:
        """Draw the learning curve anew."""
        draw_chart(self._journal.read(), self._folder / "curve.png")


def seconds_left(recipe: Recipe, step: int, seconds_per_step: float) -> float:
    """Estimate the rest of a run from the time that steps before `step` took, by the work of the phases."""
    unit = seconds_per_step / recipe.phase_at(step - 1).phase.work
    ends = np.cumsum([phase.steps for phase in recipe.phases])
    rest = (min(phase.steps, max(0, end - step)) * phase.work for phase, end in zip(recipe.phases, ends, strict=True))
    return unit * float(sum(rest))


def in_words(seconds: float) -> str:
    """Write a duration as 3 h 07 min, or 7 min."""
    hours, minutes = divmod(math.ceil(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


def _means(rows: list[tuple[float, ...]]) -> list[float]:
    """Return the mean of each column, leaving out what is not a number; NaN where nothing is left."""
    columns = ([value for value in column if not math.isnan(value)] for column in zip(*rows, strict=True))
    return [float(np.mean(column)) if column else math.nan for column in columns]
