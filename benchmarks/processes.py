"""What the processes of a running Triton have taken of memory."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

PROCESSES: Final = Path("/proc")

_MODEL: Final = re.compile(r"/models/(?P<model>[^/]+)/")
"""In the command line of the Python backend's stub: a process for each instance of a model."""


def peak_memory(triton: int, processes: Path = PROCESSES) -> dict[str, int]:
    """Return the largest resident size so far, in MiB, of the server and of each model's largest instance.

    Args:
        triton: The server's process id.
        processes: Where the kernel tells of processes, proc(5).
    """
    peaks = {"tritonserver": _peak(processes / str(triton))}
    for model, process in _instances(triton, processes):
        peaks[model] = max(peaks.get(model, 0), _peak(process))
    return dict(sorted(peaks.items()))


def _instances(triton: int, processes: Path) -> Iterator[tuple[str, Path]]:
    for process in processes.glob("[0-9]*"):
        with suppress(OSError, KeyError):  # it has ended meanwhile, or is the kernel's
            found = _MODEL.search((process / "cmdline").read_text(errors="replace"))
            if found and int(_status(process)["PPid"]) == triton:
                yield found["model"], process


def _peak(process: Path) -> int:
    return int(_status(process)["VmHWM"].split()[0]) // 1024


def _status(process: Path) -> dict[str, str]:
    lines = (process / "status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
