"""What an interrupted run goes on from: written all or nothing, and only for the recipe and photos it began with."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from maskforge.errors import InvalidCheckpoint
from maskforge.sam.model import Sam
from maskforge.training.average import Average


@dataclass(slots=True)
class State:
    """A run after `step` steps and `seconds` of training."""

    model: Sam
    average: Average
    optimiser: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0

    def write(self, path: Path, identity: str) -> None:
        """Write the state beside `path`, then put it in its place."""
        stored = {
            "identity": identity,
            "step": self.step,
            "seconds": self.seconds,
            "model": self.model.state_dict(),
            "average": self.average.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        beside = path.with_suffix(".partial")
        torch.save(stored, beside)
        beside.replace(path)

    def read(self, path: Path, identify: Callable[[int], str]) -> None:
        """Become what was written; `identify` tells the identity that a state has after a number of steps.

        Raises:
            InvalidCheckpoint: The file is damaged, or of a run with another recipe or other photos.
        """
        stored = _load(path)
        if stored.get("identity") != identify(stored.get("step", 0)):
            raise InvalidCheckpoint(f"{path} is of a run with another recipe or other photos: name another --run")
        self.model.load_state_dict(stored["model"])
        self.average.model.load_state_dict(stored["average"])
        self.optimiser.load_state_dict(stored["optimiser"])
        self.step, self.seconds = stored["step"], stored["seconds"]


def _load(path: Path) -> dict[str, Any]:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, UnpicklingError, EOFError) as error:
        raise InvalidCheckpoint(f"{path} is damaged: {error}") from error
