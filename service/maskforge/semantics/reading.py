"""Reads the examples of many photos, on all cores."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from maskforge.annotations import Photo
from maskforge.lite0.model import load_lite0
from maskforge.processes import over_all
from maskforge.semantics.examples import Example, FeatureReader


def read_examples(photos: Sequence[Photo], weights: Path, processes: int) -> list[list[Example]]:
    """Return each photo's examples, by the encoder of lite0 with these weights."""
    return over_all(_Reading(weights), photos, processes)


@dataclass(frozen=True, slots=True)
class _Reading:
    weights: Path

    @contextmanager
    def __call__(self) -> Iterator[Callable[[Photo], list[Example]]]:
        torch.set_num_threads(1)
        # Tensors go to the other process as bytes: by default each would be a file that has to stay open.
        torch.multiprocessing.set_sharing_strategy("file_system")
        yield FeatureReader(load_lite0(self.weights).eval())
