"""Whether disk and memory will do, asked before a build of minutes begins."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from maskforge.errors import NotEnoughSpace
from maskforge.sam.precision import Precision

MEMINFO: Final = Path("/proc/meminfo")
BASE_MEMORY: Final = 1_500_000_000
"""Bytes that torch, its exporter, OpenVINO and activations take besides the weights."""
MEMORY_SHARE: Final = 4.0
"""Memory by size of an fp32 checkpoint: seen 10.5 GiB for ViT-H's 2.4 (weights, cast, exported, packed by OpenVINO)."""
DISK_SHARE: Final = {Precision.FP32: 1.1, Precision.BF16: 0.6, Precision.FP16: 0.6}
BASE_DISK: Final = 50_000_000
GIB: Final = 1 << 30


def require_disk(repository: Path, weights: Iterable[Path], precision: Precision) -> None:
    """Refuse a build whose graphs would not fit beside the predecessors that they replace.

    Raises:
        NotEnoughSpace: Says how much is there and how much it takes.
    """
    repository.mkdir(parents=True, exist_ok=True)
    _require("disk", shutil.disk_usage(repository).free, BASE_DISK + DISK_SHARE[precision] * _size(weights))


def require_memory(weights: Iterable[Path], meminfo: Path = MEMINFO) -> None:
    """Refuse a build that the machine would kill half-way; where the kernel does not tell, let it try.

    Raises:
        NotEnoughSpace: Says how much is there and how much it takes.
    """
    available = _available(meminfo)
    if available is not None:
        _require("memory", available, BASE_MEMORY + MEMORY_SHARE * _size(weights))


def _require(kind: str, available: float, needed: float) -> None:
    if available < needed:
        raise NotEnoughSpace(
            f"the build takes {needed / GIB:.1f} GiB of {kind}, of which {available / GIB:.1f} are free"
        )


def _size(files: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in files)


def _available(meminfo: Path) -> int | None:
    """Read `MemAvailable` (proc(5)), in bytes."""
    try:
        lines = meminfo.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    return 1024 * int(fields["MemAvailable"].split()[0]) if "MemAvailable" in fields else None
