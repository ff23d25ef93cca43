"""The GPU that a plan is built on, and works on: TensorRT promises a plan for one GPU model only."""

import re
from dataclasses import dataclass
from typing import Final

from maskforge.engines.programs import run
from maskforge.errors import ToolFailed

QUERY: Final = ("--query-gpu=name,compute_cap", "--format=csv,noheader")
SECONDS: Final = 60.0
"""The driver takes some, where no process keeps the GPU awake."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU model.

    Attributes:
        name: What the driver calls it: "NVIDIA L4". L4 and L40S share a compute capability, not a plan.
        compute_capability: "8.9".
    """

    name: str
    compute_capability: str

    def __str__(self) -> str:
        return f"{self.name} ({self.compute_capability})"

    @property
    def slug(self) -> str:
        """The name as part of a file's: `nvidia-l4`."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")


def visible_gpu(nvidia_smi: str = "nvidia-smi") -> Gpu:
    """Ask the driver which GPU model is here.

    Raises:
        ToolFailed: There is no driver, no GPU, or GPUs of several models.
    """
    return only_gpu(run([nvidia_smi, *QUERY], seconds=SECONDS))


def only_gpu(listing: str) -> Gpu:
    """Read the answer to `QUERY`: one line a GPU, which must be of one model."""
    found = {_gpu(line) for line in listing.splitlines() if line.strip()}
    if len(found) != 1:
        names = ", ".join(sorted(gpu.name for gpu in found)) or "none"
        raise ToolFailed(f"A plan is for one GPU model, and the driver shows {names}")
    return found.pop()


def _gpu(line: str) -> Gpu:
    name, separator, capability = line.rpartition(",")
    if not (separator and re.fullmatch(r"\d+\.\d+", capability.strip())):
        raise ToolFailed(f"The driver was asked for name and compute capability, and said: {line.strip()}")
    return Gpu(name.strip(), capability.strip())
