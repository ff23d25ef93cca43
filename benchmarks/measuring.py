"""Fair timing on a noisy machine: contenders in turn, medians, ratios against bounds, and what they depend on."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, Final

import torch

CPUINFO: Final = Path("/proc/cpuinfo")
TELLING_FLAGS: Final = ("avx2", "avx512f", "avx512_bf16", "amx_tile", "amx_bf16")
"""Instructions that decide how fast a matrix product is."""
VERSIONED: Final = ("numpy", "onnxruntime", "openvino", "segment-anything", "torch")
PAUSE: Final = 0.1
"""Seconds."""
WARM_UPS: Final = 1
"""Rounds that are not counted."""
GEMM_SIDE: Final = 2048
GEMM_REPEATS: Final = 5

_ABSOLUTE_PATH: Final = re.compile(r"(?:^|[\s'\"=:(])(?:~?/|[A-Za-z]:\\)\w")

Contender = Callable[[], object]
Seconds = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Bound:
    """What a ratio has to be: at least, or else at most, the limit."""

    limit: float
    at_least: bool = True

    def is_met_by(self, value: float) -> bool:
        """Say whether a ratio is good enough."""
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        return f"{'at least' if self.at_least else 'at most'} {self.limit:g}"


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times as long one thing took as another; without a bound it is there for context.

    With another unit than times it is an amount, where an issue bounds that.
    """

    name: str
    value: float
    bound: Bound | None = None
    unit: str = "x"

    @property
    def verdict(self) -> str:
        """Pass or miss, for the table."""
        if self.bound is None:
            return "no bound"
        return f"{'pass' if self.bound.is_met_by(self.value) else 'MISS'} ({self.bound})"

    def __str__(self) -> str:
        return f"  {self.name:<58}{self.value:>12.2f} {self.unit:<4}{self.verdict}"

    def document(self) -> dict[str, Any]:
        """Return what goes into the JSON file."""
        figure = {"ratio" if self.unit == "x" else self.unit: round(self.value, 3)}
        if self.bound is None:
            return figure
        return {**figure, "bound": str(self.bound), "met": self.bound.is_met_by(self.value)}


def pause() -> None:
    """Let the threads of the one before come to rest: ONNX Runtime's and OpenMP's spin for a while after their work."""
    time.sleep(PAUSE)


def take_turns(
    contenders: Mapping[str, Contender],
    rounds: int,
    *,
    lead_in: int = 0,
    clock: Callable[[], float] = time.perf_counter,
    pause: Callable[[], object] = pause,
) -> dict[str, list[float]]:
    """Let each contender work once a round, so that what disturbs the machine disturbs all of them.

    Args:
        contenders: What is timed, by name.
        rounds: Rounds that count; `WARM_UPS` go before them.
        lead_in: Calls of a contender in each of its turns, before the one that is timed. Work of milliseconds needs
            one: right after ONNX Runtime, a decoding that took 9 ms after torch took 13 (measured).
        clock: Tells seconds.
        pause: Comes before each contender.

    Returns:
        The seconds of every round that counts, by contender.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(WARM_UPS + rounds):
        for name, work in contenders.items():
            pause()
            for _ in range(lead_in):
                work()
            began = clock()
            work()
            seconds[name].append(clock() - began)
    return {name: times[WARM_UPS:] for name, times in seconds.items()}


def medians(seconds: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return each contender's median, in seconds."""
    return {name: median(times) for name, times in seconds.items()}


def in_milliseconds(seconds: Mapping[str, Sequence[float]]) -> dict[str, dict[str, float | int]]:
    """Return each contender's median, best and worst for the JSON file."""
    return {
        name: {
            "median_ms": round(1e3 * median(times), 2),
            "best_ms": round(1e3 * min(times), 2),
            "worst_ms": round(1e3 * max(times), 2),
            "rounds": len(times),
        }
        for name, times in seconds.items()
    }


def table(title: str, seconds: Seconds, ratios: Sequence[Ratio]) -> str:
    """Write contenders and ratios as two short lists under a title."""
    times = [f"  {name:<58}{1e3 * value:>12,.1f} ms" for name, value in seconds.items()]
    return "\n".join((title, *times, "", *map(str, ratios), ""))


def write_results(document: Mapping[str, Any], path: Path) -> None:
    """Write a JSON file that may be published.

    Raises:
        ValueError: It holds a path of this machine.
    """
    text = json.dumps(document, indent=2) + "\n"
    private = [value for value in _strings(document) if _ABSOLUTE_PATH.search(value)]
    if private:
        raise ValueError(f"results hold paths of this machine: {private}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [text for pair in value.items() for part in pair for text in _strings(part)]
    return [text for part in value for text in _strings(part)] if isinstance(value, list | tuple) else []


def use_all_cores() -> int:
    """Let torch compute with every core that this process may use; return how many that are."""
    cores = len(os.sched_getaffinity(0))
    torch.set_num_threads(cores)
    return cores


def machine() -> dict[str, Any]:
    """Describe what the figures depend on: the code, the CPU, its own rate of matrix products, and versions."""
    return {
        "commit": _commit(),
        **describe_cpu(CPUINFO.read_text(encoding="utf-8")),
        "cores": use_all_cores(),
        "matrix_product_tflops": {str(dtype).removeprefix("torch."): _gemm_tflops(dtype) for dtype in _GEMM_DTYPES},
        "versions": {package: version(package) for package in VERSIONED},
    }


def _commit() -> str:
    """Name the checkout's commit, and say if it was changed since."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603 - ours
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def describe_cpu(cpuinfo: str) -> dict[str, Any]:
    """Read a CPU's model and its telling flags from the text of /proc/cpuinfo."""
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in cpuinfo.splitlines())}
    flags = fields.get("flags", "").split()
    return {"cpu": fields.get("model name", "unknown"), "flags": [flag for flag in TELLING_FLAGS if flag in flags]}


_GEMM_DTYPES: Final = (torch.float32, torch.bfloat16)


def _gemm_tflops(dtype: torch.dtype) -> float:
    """Measure dense matrix products: the rate that any engine is held against here."""
    one, other = (torch.randn(GEMM_SIDE, GEMM_SIDE).to(dtype) for _ in range(2))
    seconds = medians(take_turns({"product": lambda: one @ other}, GEMM_REPEATS, pause=lambda: None))
    return round(2 * GEMM_SIDE**3 / seconds["product"] / 1e12, 2)
