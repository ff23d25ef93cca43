"""Compiles ONNX graphs for this CPU with OpenVINO, and keeps what it has compiled."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import itertools
import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import attention_in_parts
import numpy as np
import openvino
import triton_python_backend_utils as pb_utils
from openvino import opset13

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FOLDER_VARIABLE = "MASKGATE_COMPILED_MODELS"
CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")

LARGEST_KEPT = 64 << 20
"""Bytes of a graph and its weights; larger ones are compiled as fast as they would be read back."""
KEPT_IN_ALL = 512 << 20
"""Bytes of the folder; what was not used for longest goes."""


class Part(NamedTuple):
    """What is computed of a graph.

    Attributes:
        zero: Inputs that are known to be zero, and not given any more; their shapes must be fixed.
        outputs: The only outputs that are wanted; None for all of them.
        abreast: Whether inferences come at once: each then gets a core, instead of all cores one after another.
    """

    zero: frozenset[str] = frozenset()
    outputs: frozenset[str] | None = None
    abreast: bool = False

    def inputs_of(self, config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Those of a configuration that are still given."""
        return [tensor for tensor in config["input"] if tensor["name"] not in self.zero]

    def outputs_of(self, config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Those of a configuration that are wanted."""
        return [tensor for tensor in config["output"] if self.outputs is None or tensor["name"] in self.outputs]


WHOLE = Part()


@functools.cache
def only_core() -> openvino.Core:
    """One OpenVINO for a process: each sets a signal stack of its own, and takes away that of another when it goes."""
    return openvino.Core()


class CompiledModels:
    """Compiled graphs, kept in a folder, so that a restart does not compile again.

    OpenVINO's own cache does not write its files at once, but the instances of a model start together.
    """

    def __init__(self, folder: Path | None) -> None:
        """Without a folder nothing is kept."""
        self._folder = folder
        self._core = only_core()

    @classmethod
    def from_environment(cls) -> CompiledModels:
        """The folder is named by MASKGATE_COMPILED_MODELS."""
        folder = os.environ.get(FOLDER_VARIABLE)
        return cls(Path(folder) if folder else None)

    def compile(self, onnx: Path, config: Mapping[str, Any], part: Part = WHOLE) -> openvino.CompiledModel:
        """Returns a part of the graph, compiled in the shapes of one row of `config`."""
        files = files_of(onnx)
        if self._folder is None or sum(file.stat().st_size for file in files) > LARGEST_KEPT:
            return self._compile(onnx, config, part)
        kept = self._folder / f"{self._key(files, config, part)}.blob"
        return self._read(kept, part) or self._compile_and_keep(kept, onnx, config, part)

    def _read(self, kept: Path, part: Part) -> openvino.CompiledModel | None:
        """Reads a file back, and marks it as used; None if it is not there, or damaged."""
        try:
            compiled = self._core.import_model(io.BytesIO(kept.read_bytes()), "CPU", properties(part))
            kept.touch()
        except (OSError, RuntimeError):
            return None
        return compiled

    def _compile_and_keep(
        self, kept: Path, onnx: Path, config: Mapping[str, Any], part: Part
    ) -> openvino.CompiledModel:
        compiled = self._compile(onnx, config, part)
        keep(kept, compiled.export_model().getvalue())
        return compiled

    def _compile(self, onnx: Path, config: Mapping[str, Any], part: Part) -> openvino.CompiledModel:
        try:
            graph = self._core.read_model(onnx)
        except RuntimeError as error:
            raise pb_utils.TritonModelException(f"{onnx} is not a graph that OpenVINO can read: {error}") from error
        tensors_of(graph.inputs, config["input"], of=onnx)
        graph.reshape(shapes(config))
        restrict(graph, part)
        attention_in_parts.split_attentions(graph)
        return self._core.compile_model(graph, "CPU", properties(part))

    def _key(self, files: Iterable[Path], config: Mapping[str, Any], part: Part) -> str:
        """Names all that a compiled graph depends on: graph, shapes, settings, OpenVINO and the CPU."""
        device = [self._core.get_property("CPU", name) for name in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")]
        wanted = {name: str(shape) for name, shape in shapes(config).items()}
        names = [sorted(part.zero), part.outputs and sorted(part.outputs)]
        largest = attention_in_parts.LARGEST_SCORES
        circumstances = json.dumps(
            [wanted, names, largest, properties(part), openvino.__version__, device], sort_keys=True
        )
        return hashlib.sha256(b"".join(file.read_bytes() for file in files) + circumstances.encode()).hexdigest()


def restrict(graph: openvino.Model, part: Part) -> None:
    """Leaves a part of a graph, in place; OpenVINO drops whatever only the rest of it needed."""
    for port in graph.inputs:
        if part.zero & port.get_names():
            zeros = opset13.constant(np.zeros(port.get_shape(), port.get_element_type().to_dtype()))
            port.replace(zeros.output(0))
            graph.remove_parameter(port.get_node())
    for result in graph.get_results():
        if part.outputs is not None and not part.outputs & result.input_value(0).get_names():
            graph.remove_result(result)
    graph.validate_nodes_and_infer_types()


def files_of(onnx: Path) -> list[Path]:
    """The file of a graph, and those of weights outside it, whose names begin with its name."""
    graph = onnx.resolve()
    return sorted(graph.parent.glob(f"{graph.name}*"))


def keep(path: Path, blob: bytes) -> None:
    """Writes a file at once, and drops what the folder has no room for; a disk that refuses is no fault."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_bytes(blob)
        fresh.replace(path)
        drop_oldest(path.parent, KEPT_IN_ALL)
    except OSError as error:
        pb_utils.Logger.log_warn(f"the compiled model is not kept: {error}")
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)


def drop_oldest(folder: Path, most: int) -> None:
    """Deletes the files that were used longest ago, until those that stay have at most so many bytes."""
    newest_first = sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime, reverse=True)
    sizes = itertools.accumulate(file.stat().st_size for file in newest_first)
    for file, size in zip(newest_first, sizes, strict=True):
        if size > most:
            file.unlink(missing_ok=True)


def shapes(config: Mapping[str, Any]) -> dict[str, openvino.PartialShape]:
    """The shapes of one row's inputs: those of the configuration, where only -1 stays free."""
    row = [1] if int(config["max_batch_size"]) > 0 else []
    return {
        tensor["name"]: openvino.PartialShape([*row, *(int(dim) for dim in tensor["dims"])])
        for tensor in config["input"]
    }


def properties(part: Part = WHOLE) -> dict[str, Any]:
    """OpenVINO's settings: answer as fast as the cores allow, and compute as the graph says.

    Its precision is in its types, as TensorRT takes it; where the CPU has no bfloat16, OpenVINO computes in float32.
    Threads are not pinned: the instances of all models share these cores, and a pinned thread waits for its core
    while another one idles.
    """
    cores = available_cores(CGROUP_QUOTA)
    return {
        "PERFORMANCE_HINT": "THROUGHPUT" if part.abreast else "LATENCY",
        "NUM_STREAMS": cores if part.abreast else 1,
        "INFERENCE_PRECISION_HINT": "dynamic",
        "INFERENCE_NUM_THREADS": cores,
        "ENABLE_CPU_PINNING": False,
    }


def available_cores(quota_file: Path) -> int:
    """Cores that this process may use: those it may run on, and no more than its container's quota."""
    cores = len(os.sched_getaffinity(0))
    try:
        quota, period = quota_file.read_text(encoding="ascii").split()
    except OSError:
        return cores
    return cores if quota == "max" else min(cores, math.ceil(int(quota) / int(period)))


def tensors_of(ports: Iterable[Any], tensors: Iterable[Mapping[str, Any]], *, of: Path) -> dict[str, Any]:
    """Finds the ports of the tensors that a configuration names; all must be there."""
    found = {name: port for port in ports for name in port.get_names()}
    missing = sorted({tensor["name"] for tensor in tensors} - found.keys())
    if missing:
        raise pb_utils.TritonModelException(f"{of} has no tensor {missing}; it has {sorted(found)}")
    return {tensor["name"]: found[tensor["name"]] for tensor in tensors}
