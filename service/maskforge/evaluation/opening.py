"""Where predictors come from: files or an address, so that each process can open one of its own."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2

from maskforge.evaluation.local import LocalPredictor
from maskforge.evaluation.models import GraphModel, TorchModel
from maskforge.evaluation.ports import Predictor
from maskforge.evaluation.served import ServedPredictor, Service
from maskforge.lite0.model import load_lite0

THREADS = 1
"""Of each process; there is a process for each core."""


class Subject(Protocol):
    """What is evaluated; it can be sent to another process."""

    @property
    def title(self) -> str:
        """What a reader of the report is told."""

    def open(self) -> AbstractContextManager[Predictor]:
        """Open it for this process."""


class LocalSubject(Subject, Protocol):
    """What computes here, and so shows its logits, too."""

    def open(self) -> AbstractContextManager[LocalPredictor]:
        """Open it for this process."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Weights of lite0, run by torch in fp32."""

    weights: Path

    @property
    def title(self) -> str:
        """What a reader of the report is told."""
        return f"{self.weights.name} in torch, fp32"

    @contextmanager
    def open(self) -> Iterator[LocalPredictor]:
        """Load the weights."""
        cv2.setNumThreads(THREADS)
        yield LocalPredictor(TorchModel(load_lite0(self.weights), THREADS))


@dataclass(frozen=True, slots=True)
class Graphs:
    """The exported graphs, run by OpenVINO in the precision that they are served in."""

    repository: Path
    name: str

    @property
    def title(self) -> str:
        """What a reader of the report is told."""
        return f"the graphs of {self.name} in OpenVINO, in the precision that they are served in"

    @contextmanager
    def open(self) -> Iterator[LocalPredictor]:
        """Compile the graphs."""
        cv2.setNumThreads(THREADS)
        yield LocalPredictor(GraphModel(self.repository, self.name, THREADS))


@dataclass(frozen=True, slots=True)
class Served:
    """A running service."""

    service: Service

    @property
    def title(self) -> str:
        """What a reader of the report is told."""
        return f"{self.service.model} as a running service serves it, over REST"

    @contextmanager
    def open(self) -> Iterator[ServedPredictor]:
        """Open connections."""
        with self.service.connect() as client:
            yield ServedPredictor(self.service, client)
