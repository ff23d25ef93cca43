"""Fair timing on a noisy machine: contenders in turn, medians, ratios against bounds; and what the figures came from."""

from __future__ import annotations

import json
import os
import platform
import re
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

CPUINFO: Final = Path("/proc/cpuinfo")
TELLING_FLAGS: Final = ("avx2", "avx512f", "avx512_bf16", "amx_tile", "amx_bf16")
"""Instructions that decide how fast a matrix product is."""
VERSIONED: Final = ("numpy", "onnxruntime", "openvino", "segment-anything", "torch")
PAUSE: Final = 0.1
"""Seconds between two contenders: ONNX Runtime's and OpenMP's threads spin for a while after their work."""
WARM_UPS: Final = 1
"""Rounds that are not counted."""
GEMM_SIDE: Final = 2048
GEMM_REPEATS: Final = 5

_ABSOLUTE_PATH: Final = re.compile(r"(?:^|[\s'\"=:(])(?:~?/|[A-Za-z]:\\)\w")

Contender = "Callable[[], object]"
Seconds = "dict[str, list[float]]"


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
    """How many times as long one contender took as another, by their medians; without a bound it is for context."""

    name: str
    value: float
    bound: Bound | None = None

    @property
    def verdict(self) -> str:
        """Pass or miss, in words for the table."""
        if self.bound is None:
            return ""
        return f"{'pass' if self.bound.is_met_by(self.value) else 'MISS'} ({self.bound})"

    def document(self) -> dict[str, Any]:
        """Return what goes into the JSON file."""
        met = None if self.bound is None else self.bound.is_met_by(self.value)
        return {"ratio": round(self.value, 3), "bound": self.bound and str(self.bound), "met": met}


def take_turns(contenders: Mapping[str, Contender], rounds: int, *, clock: Callable[[], float] | None = None) -> Seconds:
    """Let each contender work once a round, in order, so that what disturbs the machine disturbs all of them.

    Args:
        contenders: What is timed, by name.
        rounds: Counted rounds; `WARM_UPS` go before them.
        clock: Seconds; another one for tests.

    Returns:
        The seconds of every counted round, by contender.
    """
    now = clock or time.perf_counter
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(WARM_UPS + rounds):
        for name, work in contenders.items():
            time.sleep(PAUSE)
            began = now()
            work()
            seconds[name].append(now() - began)
    return {name: times[WARM_UPS:] for name, times in seconds.items()}
