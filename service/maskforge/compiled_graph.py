"""An exported graph on the CPU, run by OpenVINO.

In the graph's own types, as `deploy/triton/backends/tensorrt` runs it when it serves. Unlike there, free axes stay free
in the compiled graph, batches are computed whole, and prompts are not sorted into graphs of fewer slots: so this says
what a graph computes, and not how fast it is served.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy.typing as npt
import openvino

Arrays = Mapping[str, npt.NDArray[Any]]
AS_THE_GRAPH_SAYS = "dynamic"
"""OpenVINO's word for computing each node in the type that the graph gives it."""


class CompiledGraph:
    """A graph of a model repository; each call computes all outputs."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        """Compile an ONNX file.

        Args:
            path: The file; weights outside it are found beside it.
            threads: How many to compute with; None leaves it to OpenVINO.
        """
        properties: dict[str, Any] = {"INFERENCE_PRECISION_HINT": AS_THE_GRAPH_SAYS, "PERFORMANCE_HINT": "LATENCY"}
        if threads:
            properties["INFERENCE_NUM_THREADS"] = threads
        self._compiled = _only_core().compile_model(path, "CPU", properties)

    def __call__(self, inputs: Arrays) -> dict[str, npt.NDArray[Any]]:
        """Return every output by name; shapes and dtypes are in `model_repository/README.md`."""
        answer = self._compiled(dict(inputs))
        return {port.any_name: answer[port] for port in self._compiled.outputs}

    def input_shape(self, name: str) -> Sequence[int]:
        """Return an input's shape; an axis that is free is -1."""
        return [axis.get_length() if axis.is_static else -1 for axis in self._compiled.input(name).partial_shape]


@cache
def _only_core() -> openvino.Core:
    """One OpenVINO for a process: each sets a signal stack of its own, and takes away that of another when it goes."""
    return openvino.Core()
