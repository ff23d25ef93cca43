"""What a training run does when: image sizes, learning rates, budget."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the curriculum: image size and batch, until a share of the budget is spent."""

    until: float
    image_size: int
    images: int
    masks: int


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """A training run.

    Attributes:
        minutes: The budget; the schedule is stretched to it.
        learning_rate: Peak rate of everything but the trunk.
        trunk_rate: The trunk's rate as a share of it.
        frozen_blocks: The trunk's first blocks, with the stem, that stay as ImageNet left them.
        weight_decay: AdamW's.
        warm_up_steps: Steps until the peak rate.
        clip_norm: Largest norm of the gradient.
        save_seconds: Time between checkpoints.
        log_steps: Steps between lines of the log.
        threads: Threads of the step; the loader has a process of its own.
        seed: Of everything random.
        phases: Small images first, the served size last.
    """

    minutes: float
    learning_rate: float = 6e-4
    trunk_rate: float = 0.1
    frozen_blocks: int = 3
    weight_decay: float = 0.05
    warm_up_steps: int = 100
    clip_norm: float = 1.0
    save_seconds: float = 180.0
    log_steps: int = 25
    threads: int = 2
    seed: int = 0
    phases: tuple[Phase, ...] = (Phase(0.6, 256, 8, 4), Phase(0.82, 384, 4, 4), Phase(1.0, 512, 3, 3))

    def phase(self, progress: float) -> Phase:
        """Return the phase at a share of the budget."""
        return next((p for p in self.phases if progress < p.until), self.phases[-1])

    def rate(self, step: int, progress: float) -> float:
        """Return the factor on the learning rates: linear warm-up, then a cosine to zero."""
        warm_up = min(1.0, (step + 1) / self.warm_up_steps)
        return warm_up * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
