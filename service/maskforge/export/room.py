"""Whether disk and memory will do, asked before a build of minutes begins."""

import shutil
from pathlib import Path
from typing import Final

from maskforge.errors import NotEnoughSpace
from maskforge.export.site import writing
from maskforge.sam.precision import Precision

MEMINFO: Final = Path("/proc/meminfo")
CGROUP: Final = Path("/sys/fs/cgroup")
MEMORY: Final = ((1_500_000_000, 24.0), (2_470_000_000, 13.74))
"""Bytes at a build's peak, and more for each parameter, of a small model and of a large one; the lesser counts.

Measured in bf16: 0.74 GiB for lite0's 5 million parameters, 3.5 GiB for ViT-B's 94 million, 10.5 GiB for ViT-H's 641
million. It goes into torch, its exporter, OpenVINO and activations; the weights, cast, exported, packed by OpenVINO.
"""
DISK_OF_PARAMETER: Final = {Precision.FP32: 4 * 1.05, Precision.BF16: 2 * 1.05, Precision.FP16: 2 * 1.05}
"""Bytes: a number and its share of the nodes."""
BASE_DISK: Final = 50_000_000
GIB: Final = 1 << 30


def require_disk(repository: Path, parameters: int, precision: Precision) -> None:
    """Refuse a build whose graphs would not fit beside the predecessors that they replace.

    Raises:
        CannotWrite: The repository cannot be made.
        NotEnoughSpace: Says how much is there and how much it takes.
    """
    with writing(repository):
        repository.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(repository).free
    _require("disk", free, BASE_DISK + DISK_OF_PARAMETER[precision] * parameters)


def require_memory(parameters: int, meminfo: Path = MEMINFO, cgroup: Path = CGROUP) -> None:
    """Refuse a build that the machine would kill half-way; where the kernel does not tell, let it try.

    Raises:
        NotEnoughSpace: Says how much is there and how much it takes.
    """
    known = [free for free in (_free_in_machine(meminfo), _free_in_container(cgroup)) if free is not None]
    if known:
        _require("memory", min(known), min(base + share * parameters for base, share in MEMORY))


def _require(kind: str, available: float, needed: float) -> None:
    if available < needed:
        raise NotEnoughSpace(
            f"the build takes {needed / GIB:.1f} GiB of {kind}, of which {available / GIB:.1f} are free"
        )


def _free_in_machine(meminfo: Path) -> int | None:
    """Read `MemAvailable` (proc(5)), in bytes; in a container it is the host's."""
    kilobytes = _fields(meminfo).get("MemAvailable:")
    return None if kilobytes is None else 1024 * kilobytes


def _free_in_container(cgroup: Path) -> int | None:
    """Read what the limit leaves (cgroup v2), in bytes; files that were read, such as the weights, make room."""
    try:
        limit = (cgroup / "memory.max").read_text(encoding="ascii").strip()
        used = int((cgroup / "memory.current").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    cached = _fields(cgroup / "memory.stat").get("inactive_file", 0)
    return int(limit) - used + cached if limit.isdecimal() else None


def _fields(table: Path) -> dict[str, int]:
    """Read lines of a name, a number and perhaps a unit."""
    try:
        rows = [line.split() for line in table.read_text(encoding="ascii").splitlines()]
    except OSError:
        return {}
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdecimal()}
