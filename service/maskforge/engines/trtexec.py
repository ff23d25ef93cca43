"""TensorRT through `trtexec`, which NVIDIA's images hold: no binding of TensorRT or CUDA is needed.

The options are those that TensorRT 10.0 to 11.1 share (NVIDIA/TensorRT, `samples/common/sampleOptions.cpp`).
"""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from maskforge.engines.programs import run
from maskforge.errors import ToolFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy.typing as npt

    from maskforge.engines.ports import Answers, Arrays, PlanJob
    from maskforge.engines.profiles import Shape, Shapes

IN_THE_IMAGE: Final = Path("/usr/src/tensorrt/bin/trtexec")
"""Where Triton's and TensorRT's images have it (triton-inference-server/server, `qa/*/test.sh`)."""

OLDEST: Final = 10
"""The options and formats here are those of TensorRT 10 and later."""

SECONDS_TO_START: Final = 120.0
SECONDS_TO_RUN: Final = 600.0
OUTPUTS_FILE: Final = "outputs.json"


@dataclass(frozen=True, slots=True)
class Limits:
    """What building one plan may take.

    Attributes:
        seconds: Time.
        workspace_mib: Scratch memory of a layer; None is all that the GPU has.
    """

    seconds: float = 3600.0
    workspace_mib: int | None = None


class Trtexec:
    """The port `TensorRT`, by one process a call."""

    def __init__(self, program: Path, limits: Limits) -> None:
        """Use that `trtexec`."""
        self._program = str(program)
        self._limits = limits

    def version(self) -> str:
        """Read the version from the first line that `trtexec` prints, whatever it is asked."""
        return version_in(run([self._program, "--help"], seconds=SECONDS_TO_START))

    def build(self, job: PlanJob) -> None:
        """Build a plan, without running it."""
        arguments = build_arguments(job, self._limits.workspace_mib)
        run([self._program, *arguments], seconds=self._limits.seconds)

    def run(self, plan: Path, inputs: Arrays) -> Answers:
        """Run a plan once; inputs and outputs pass through files."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for tensor, values in inputs.items():
                values.tofile(folder / _file(tensor))
            run([self._program, *run_arguments(plan.absolute(), inputs)], seconds=SECONDS_TO_RUN, folder=folder)
            return read_outputs((folder / OUTPUTS_FILE).read_text(encoding="utf-8"))


def find_trtexec(named: Path | None) -> Path:
    """Return the `trtexec` that was named, else the one on PATH, else the image's.

    Raises:
        ToolFailed: There is none.
    """
    found = named or shutil.which("trtexec") or (IN_THE_IMAGE if IN_THE_IMAGE.exists() else None)
    if found is None:
        raise ToolFailed("There is no trtexec here: run this in the Triton image that is to serve, or name one")
    return Path(found).absolute()


def version_in(output: str) -> str:
    """Find `10.4.0.26` in trtexec's `[TensorRT v100400] [b26]`; before 10.4 it does not say the build.

    Raises:
        ToolFailed: There is no version, or it is too old to build our graphs.
    """
    banner = re.search(r"\[TensorRT v(\d+)\](?: \[b(\d+)\])?", output)
    if banner is None:
        raise ToolFailed("trtexec does not say which TensorRT it belongs to")
    number, build = int(banner[1]), banner[2]
    parts = [number // 10_000, number // 100 % 100, number % 100]
    if parts[0] < OLDEST:  # before 10 the number was written otherwise, and was smaller
        raise ToolFailed(f"TensorRT {OLDEST} is the oldest that builds these graphs; this one is v{number}")
    return ".".join(map(str, [*parts, build] if build else parts))


def build_arguments(job: PlanJob, workspace_mib: int | None) -> list[str]:
    """Write the arguments that build a plan.

    Precision is the graph's affair: `--stronglyTyped` says so to TensorRT 10, and is ignored by 11, which knows
    nothing else and has no `--fp16` or `--bf16` any more.
    """
    workspace = [] if workspace_mib is None else [f"--memPoolSize=workspace:{workspace_mib}M"]
    return [
        f"--onnx={job.onnx}",
        f"--saveEngine={job.plan}",
        "--stronglyTyped",
        "--skipInference",
        *_ranges(job.profile),
        f"--builderOptimizationLevel={job.optimization_level}",
        f"--timingCacheFile={job.timing_cache}",
        f"--exportLayerInfo={job.layers}",
        *workspace,
    ]


def run_arguments(plan: Path, inputs: Mapping[str, npt.NDArray[Any]]) -> list[str]:
    """Write the arguments that run a plan once, on files in the working directory.

    The inputs' file names are relative, as the option's own syntax gives commas and colons a meaning.
    """
    return [
        f"--loadEngine={plan}",
        f"--shapes={_spec((name, values.shape) for name, values in inputs.items())}",
        f"--loadInputs={','.join(f'{name}:{_file(name)}' for name in inputs)}",
        f"--exportOutput={OUTPUTS_FILE}",
        "--iterations=1",
        "--warmUp=0",
        "--duration=0",
    ]


def _ranges(profile: Mapping[str, Shapes]) -> list[str]:
    return [
        f"--{size}Shapes={_spec((name, getattr(shapes, size)) for name, shapes in profile.items())}"
        for size in ("min", "opt", "max")
    ]


def _spec(shapes: Iterable[tuple[str, Shape]]) -> str:
    """Write `image:1x3x1024x1024,valid_hw:1x2`."""
    return ",".join(f"{name}:{'x'.join(map(str, shape))}" for name, shape in shapes)


def _file(tensor: str) -> str:
    return f"{tensor}.bin"


OUTPUT: Final = re.compile(
    r'"name"\s*:\s*"(?P<name>[^"]*)"\s*,\s*"dimensions"\s*:\s*"(?P<dims>[^"]*)"\s*,\s*"values"\s*:\s*\[(?P<values>[^]]*)\]'
)
"""One output of `--exportOutput`; a regular expression, because C++ writes `nan` where JSON has no such word."""


def read_outputs(text: str) -> dict[str, npt.NDArray[np.float32]]:
    """Read what `--exportOutput` wrote: numbers of six digits, in the outputs' shapes.

    Raises:
        ToolFailed: It holds no output, or one whose values do not fill its shape.
    """
    outputs = {found["name"]: _array(found) for found in OUTPUT.finditer(text)}
    if not outputs:
        raise ToolFailed("trtexec wrote no outputs")
    return outputs


def _array(found: re.Match[str]) -> npt.NDArray[np.float32]:
    shape = tuple(map(int, re.findall(r"\d+", found["dims"])))
    try:
        return np.array(found["values"].split(","), dtype=np.float32).reshape(shape)
    except ValueError as error:
        raise ToolFailed(f"trtexec's output {found['name']} cannot be read: {error}") from error
