"""Holds the simulation against the real stack as it was measured on a machine of two cores."""

from __future__ import annotations

from collections import Counter
from statistics import fmean, median
from typing import TYPE_CHECKING, Final

from benchmarks.capacity.checks import Check
from benchmarks.capacity.queues import Bench
from benchmarks.capacity.shelves import Lru, OwnOrder, look
from benchmarks.capacity.stack_run import L1_PLACES, PASSING, PASSING_SECONDS, SEED
from benchmarks.capacity.trace import Trace

if TYPE_CHECKING:
    from benchmarks.capacity.measured import Alone, Crowded, Run, Turn

INSTANCES: Final = {"click": 2, "first click": 1}
"""Of the model that works: lite0_decoder's and lite0_encoder's config.pbtxt."""
_REPEATS: Final = 20
"""The same calls with other service times, so that those of one turn do not matter."""


def check_stack(run: Run) -> list[Check]:
    """Compare waits and hits within a fifth."""
    return [*_check_waits("click", run.clicks), *_check_waits("first click", run.firsts), *_check_hits(run)]


def simulated(kind: str, alone: Alone, crowd: Crowded) -> float:
    """Return the mean seconds for which people of the simulation wait for their answer."""
    bench = Bench(alone, INSTANCES[kind])
    return fmean(float(bench.latencies(crowd, seed=repeat).mean()) for repeat in range(_REPEATS))


def by_rate(kind: str, turns: tuple[Turn, ...]) -> dict[float, list[tuple[float, float]]]:
    """Return the mean seconds that people waited at each rate, in each turn: simulated, and measured."""
    means: dict[float, list[tuple[float, float]]] = {}
    for turn in turns:
        for crowd in turn.crowds:
            means.setdefault(crowd.rate, []).append((simulated(kind, turn.alone, crowd), crowd.mean))
    return means


def _check_waits(kind: str, turns: tuple[Turn, ...]) -> list[Check]:
    """Compare the middle of the turns, which one that was disturbed does not move."""
    return [
        Check(
            f"mean of a {kind} at {rate:.1f} a second, ms",
            1e3 * median(said for said, _ in means),
            1e3 * median(seen for _, seen in means),
        )
        for rate, means in by_rate(kind, turns).items()
    ]


def _check_hits(run: Run) -> list[Check]:
    trace = Trace.of(PASSING, seconds=PASSING_SECONDS, seed=SEED)
    shelves = (OwnOrder(L1_PLACES), Lru(run.found.redis_places))
    found = Counter(look(image, shelves) for image in trace.images.tolist())
    seen = {"in L1": run.found.l1, "in Valkey": run.found.redis, "nowhere": run.found.encoded}
    return [
        Check(f"share of clicks whose embedding was {where}", found[number] / len(trace), share)
        for number, (where, share) in enumerate(seen.items())
    ]
