"""The training loop: counted in steps, saved every few minutes, resumed exactly."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import nn

from maskforge.annotations import read_photos
from maskforge.checkpoints.weights import save_weights
from maskforge.errors import UnusablePhotos
from maskforge.lite0.model import build_lite0
from maskforge.training.allocator import keep_freed_memory
from maskforge.training.average import Average
from maskforge.training.cache import SMALLEST_MASK_SHARE, PhotoCache, open_cache
from maskforge.training.exam import examine, is_held_out, set_questions
from maskforge.training.examples import Batch, Steps, stream
from maskforge.training.optimiser import build_optimiser, set_rates
from maskforge.training.recipe import Recipe
from maskforge.training.report import Reporter
from maskforge.training.rounds import Figures, teach
from maskforge.training.scenes import SceneMaker
from maskforge.training.state import State
from maskforge.training.student import Student

log = logging.getLogger(__name__)

STATE: Final = "state.pt"
WEIGHTS: Final = "weights.safetensors"
ROUNDS_STREAM: Final = 1
"""Beside the seed and the step: sets the draws of the rounds apart from those of the examples."""


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where and how a run is done; nothing of it changes what is learnt, but for the rounding of compiled sums.

    Attributes:
        folder: State, weights, log and chart of the run; what is found there is continued.
        cache: Where photos are cached.
        threads: Threads of a step; the examples are made by a process of their own.
        compiled: Whether the decoder is compiled, see `Student`.
        save_seconds: Time between states saved.
        exam_steps: Steps between exams.
    """

    folder: Path
    cache: Path
    threads: int = 2
    compiled: bool = True
    save_seconds: float = 240.0
    exam_steps: int = 1_000


class Run:
    """A run of a recipe."""

    def __init__(self, recipe: Recipe, cache: PhotoCache, workplace: Workplace) -> None:
        """Start anew with the pretrained trunk, or go on where the folder's state ends."""
        torch.manual_seed(recipe.seed)
        self._recipe = recipe
        self._cache = cache
        self._workplace = workplace
        self._state = _begin(recipe)
        if self._file.exists():
            self._state.read(self._file, self._identify)
            log.info("resumed at step %d", self._state.step)
        self._student = Student(self._state.model, compiled=workplace.compiled)
        self._saved = time.monotonic()
        self._report = Reporter(workplace.folder, recipe, self._state.step)

    def advance(self, stopped: Callable[[], bool]) -> bool:
        """Train to the end, or until `stopped` says so; save, and tell whether it is the end."""
        held_out = [photo for photo in self._cache.photos if is_held_out(photo, self._recipe.held_out)]
        questions = set_questions(self._cache, held_out, self._state.model.config.image_size)
        for batch in self._batches():
            self._take(batch)
            if self._state.step % self._workplace.exam_steps == 0 or self._done:
                self._report.exam(
                    self._state.step, examine(Student(self._state.average.model, compiled=False), questions)
                )
            if time.monotonic() - self._saved > self._workplace.save_seconds:
                self._save()
            if stopped():
                break
        self._save()
        return self._done

    @property
    def _done(self) -> bool:
        return self._state.step >= self._recipe.steps

    @property
    def _file(self) -> Path:
        return self._workplace.folder / STATE

    def _identify(self, step: int) -> str:
        return f"{self._cache.name} {self._recipe.until(step)}"

    def _batches(self) -> Iterator[Batch]:
        trained = [photo for photo in self._cache.photos if not is_held_out(photo, self._recipe.held_out)]
        scenes = SceneMaker(self._cache, trained, self._recipe.examples)
        return stream(Steps(scenes, self._recipe), self._state.step, self._recipe.steps)

    def _take(self, batch: Batch) -> None:
        """Take one step."""
        started = time.monotonic()
        figures = self._learn(batch)
        self._state.step += 1
        spent = time.monotonic() - started
        self._state.seconds += spent
        self._report.step(self._state.step, figures, spent)

    def _learn(self, batch: Batch) -> Figures:
        """Compute the gradient and follow it; all that is random follows from the seed and the step."""
        state, recipe = self._state, self._recipe
        self._student.thaw(recipe, state.step)
        rng = np.random.default_rng([recipe.seed, state.step, ROUNDS_STREAM])
        torch.manual_seed(int(rng.bit_generator.random_raw()))
        set_rates(state.optimiser, recipe, state.step)
        state.optimiser.zero_grad()
        figures = teach(self._student, batch, recipe.rounds, rng)
        nn.utils.clip_grad_norm_(state.model.parameters(), recipe.clip_norm)
        state.optimiser.step()
        state.average.follow(state.model, state.step)
        return figures

    def _save(self) -> None:
        self._state.write(self._file, self._identify(self._state.step))
        save_weights(self._state.average.model, self._workplace.folder / WEIGHTS)
        self._report.draw()
        self._saved = time.monotonic()


def _begin(recipe: Recipe) -> State:
    model = build_lite0(pretrained_trunk=True)
    model.image_encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    model.train()
    return State(model, Average(model, recipe.average), build_optimiser(model, recipe))


def train(data: Path, recipe: Recipe, workplace: Workplace, stopped: Callable[[], bool]) -> bool:
    """Train lite0 on the photos of `data`; tell whether it is done, or `stopped` before.

    Raises:
        InvalidCheckpoint: The folder holds the state of another run.
        UnusablePhotos: No photo has a mask of a fair size.
    """
    keep_freed_memory()
    torch.set_num_threads(workplace.threads)
    workplace.folder.mkdir(parents=True, exist_ok=True)
    photos = read_photos(data, SMALLEST_MASK_SHARE)
    if not photos:
        raise UnusablePhotos(f"no photo of {data} has a mask of {SMALLEST_MASK_SHARE:.2%} of its pixels")
    cache = open_cache(photos, workplace.cache)
    with _denormals_flushed():
        return Run(recipe, cache, workplace).advance(stopped)


@contextmanager
def _denormals_flushed() -> Iterator[None]:
    """Take the smallest numbers for zero: sure masks have gradients too small to be fast."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
