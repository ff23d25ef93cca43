"""What the building of plans asks of TensorRT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from maskforge.engines.profiles import Shapes

    Arrays = Mapping[str, npt.NDArray[Any]]
    Answers = Mapping[str, npt.NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class PlanJob:
    """One plan to build.

    Attributes:
        onnx: The graph; weights outside it are found beside it.
        profile: The shapes to build for.
        optimization_level: 0 to 5; a higher one tries more kernels for longer.
        scratch: Where everything that comes of it goes.
    """

    onnx: Path
    profile: Mapping[str, Shapes]
    optimization_level: int
    scratch: Path

    @property
    def plan(self) -> Path:
        """The plan."""
        return self.scratch / "model.plan"

    @property
    def layers(self) -> Path:
        """The list of the plan's layers, as JSON: it shows which attentions were fused."""
        return self.scratch / "layers.json"

    @property
    def timing_cache(self) -> Path:
        """Measurements of earlier builds, which is added to; it need not be there before."""
        return self.scratch / "timing.cache"


class TensorRT(Protocol):
    """The TensorRT of this machine; every method raises `ToolFailed`, and none takes longer than it was allowed."""

    def version(self) -> str:
        """Say which it is, to the build number: a plan is loaded by exactly the version that wrote it."""
        ...

    def build(self, job: PlanJob) -> None:
        """Build a plan whose precisions are those of the graph (strongly typed)."""
        ...

    def run(self, plan: Path, inputs: Arrays) -> Answers:
        """Run a plan once on this GPU and return all its outputs, in float32."""
        ...
