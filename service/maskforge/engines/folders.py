"""What the builder of plans finds in a model repository."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from maskforge.engines.files import graph_digest
from maskforge.engines.manifest import Recipe
from maskforge.engines.profiles import read_profile
from maskforge.errors import IncompleteModel

if TYPE_CHECKING:
    from pathlib import Path

    from maskforge.engines.devices import Gpu

DECODER: Final = "decoder"
DECODER_MULTI: Final = "decoder_multi"
ENCODER: Final = "encoder"
PARTS: Final = (DECODER, DECODER_MULTI, ENCODER)
"""In the order of building: an encoder is judged by the masks that the decoder makes of its embedding."""

SPEC_FILE: Final = "maskgate.json"


@dataclass(frozen=True, slots=True)
class Site:
    """Where plans are built, and the only place where they work.

    Attributes:
        gpu: The GPU model.
        tensorrt: TensorRT's version.
    """

    gpu: Gpu
    tensorrt: str


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """One Triton model of a repository.

    Attributes:
        part: Which of the three.
        path: The folder.
        precision: In which its graph computes.
    """

    part: str
    path: Path
    precision: str

    @property
    def onnx(self) -> Path:
        """The graph, where it really is: `decoder_multi` has a link, and weights outside a graph lie beside it."""
        return (self.path / "1" / "model.onnx").resolve()

    @property
    def plan(self) -> Path:
        """The plan, under the name that Triton's TensorRT backend looks for."""
        return self.path / "1" / "model.plan"

    def recipe(self, site: Site) -> Recipe:
        """Say what the plan must be made of and for, at a site.

        Raises:
            IncompleteModel: The folder has no graph, or does not say for which shapes.
        """
        if not self.onnx.exists():
            raise IncompleteModel(f"{self.path} holds no graph: build the model with `maskforge build` first")
        return Recipe(graph_digest(self.onnx), read_profile(self.path), site.tensorrt, site.gpu)


def model_folders(name: str, repository: Path) -> dict[str, ModelFolder]:
    """Return the three folders of a model, in the order of building.

    Raises:
        IncompleteModel: The model is not in the repository, or does not say its precision.
    """
    precision = _precision(repository / f"{name}_{ENCODER}" / SPEC_FILE)
    return {part: ModelFolder(part, repository / f"{name}_{part}", precision) for part in PARTS}


def _precision(spec: Path) -> str:
    try:
        return str(json.loads(spec.read_text(encoding="utf-8"))["precision"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IncompleteModel(f"{spec} names no precision: build the model with `maskforge build` first") from error
