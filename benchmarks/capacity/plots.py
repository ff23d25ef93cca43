"""The pictures of docs/capacity.md."""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib.figure import Figure

from benchmarks.capacity.bench import by_rate
from benchmarks.capacity.formulas import PASSING, SERVERS, SERVICE_SECONDS, SPREADS
from maskgate.capacity import Queue, Scenario, Service, hit_ratio, plan
from maskgate.capacity.scenario import GIB

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from benchmarks.capacity.formulas import Kept, Waited
    from benchmarks.capacity.measured import Run

COLOURS: Final = ("#1b6ca8", "#e07a1f", "#2e8b57", "#a23b72")
DOTS: Final = 110
SIZES: Final = (128, 256, 512, 1024, 2048, 4096)
"""Of Redis, in GiB."""
_ANY: Final = 1000
"""As many gateways as there are, and more."""


def draw_waits(lines: list[Waited], path: Path) -> None:
    """Draw mean waits by how busy servers are: formulas as lines, simulations as dots."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    for axes, spread in zip(figure.subplots(1, 2, sharey=True), SPREADS, strict=True):
        for colour, servers in zip(COLOURS, SERVERS, strict=False):
            uses = np.linspace(0.05, 0.94, 90)
            service = Service(SERVICE_SECONDS, spread)
            queues = [Queue(use * servers / SERVICE_SECONDS, service, servers) for use in uses]
            name = f"{servers} server{'s' * (servers > 1)}"
            axes.plot(100 * uses, [1e3 * queue.mean_wait for queue in queues], color=colour, label=name)
            seen = [line for line in lines if line.queue.servers == servers and line.queue.service.spread == spread]
            busy = [100 * line.queue.utilisation for line in seen]
            axes.plot(busy, [1e3 * line.mean for line in seen], "o", color=colour)
        _label(axes, f"service of {1e3 * SERVICE_SECONDS:.0f} ms, spread {spread:g}", "busy, %", "mean wait, ms")
        axes.set(yscale="log", ylim=(0.01, 2000))
        axes.legend()
    figure.savefig(path, dpi=DOTS)


def draw_hits(caches: list[Kept], path: Path) -> None:
    """Draw hit ratios by the places of a cache: the formula as a line, simulations as dots."""
    figure = Figure(figsize=(6.5, 4), layout="constrained")
    axes = figure.subplots()
    places = np.geomspace(min(kept.places for kept in caches), max(kept.places for kept in caches), 60)
    axes.plot(places, [100 * hit_ratio(PASSING, place) for place in places], color=COLOURS[0], label="Che, shot noise")
    for name, marker, colour, shares in (
        ("LRU, simulated", "o", COLOURS[0], [kept.lru for kept in caches]),
        ("S3-FIFO, the gateway's own code", "s", COLOURS[1], [kept.own for kept in caches]),
    ):
        axes.plot([kept.places for kept in caches], 100 * np.array(shares), marker, color=colour, label=name)
    title = f"{PASSING.popularity.mean:.0f} clicks on each image, within {PASSING.seconds:.0f} s"
    _label(axes, title, "places", "clicks that find their embedding, %")
    axes.set(xscale="log", ylim=(0, 100))
    axes.legend()
    figure.savefig(path, dpi=DOTS)


def draw_measured(run: Run, path: Path) -> None:
    """Draw how long people waited at the real stack, and in simulations of the same arrivals."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    kinds = (("click", run.clicks), ("first click", run.firsts))
    for axes, (kind, turns) in zip(figure.subplots(1, 2), kinds, strict=True):
        means = by_rate(kind, turns)
        for said_or_seen, name in enumerate(("simulated", "measured")):
            colour, mark = COLOURS[said_or_seen], ".x"[said_or_seen]
            middles = [1e3 * median(pair[said_or_seen] for pair in pairs) for pairs in means.values()]
            axes.plot(list(means), middles, mark + "-", color=colour, label=f"{name}, the middle of {len(turns)} turns")
            for rate, pairs in means.items():
                each = [1e3 * pair[said_or_seen] for pair in pairs]
                axes.plot([rate] * len(each), each, mark, color=colour, alpha=0.4)
        _label(axes, f"a {kind}, over gRPC", "calls a second", "mean time to the answer, ms")
        axes.set_ylim(bottom=0)
        axes.legend()
    figure.savefig(path, dpi=DOTS)


def draw_cost(scenario: Scenario, path: Path, *, sizes: Sequence[float] = SIZES) -> None:
    """Draw what a million segments cost by Redis' memory, and by how clicks are balanced."""
    figure = Figure(figsize=(6.5, 4), layout="constrained")
    axes = figure.subplots()
    for colour, ways in zip(COLOURS, (1, 2, 4, _ANY), strict=True):
        caches = [replace(scenario.caches, redis_bytes=size * GIB, gateways_per_image=ways) for size in sizes]
        costs = [plan(replace(scenario, caches=cache)).cost_per_million(scales=True) for cache in caches]
        name = "any gateway" if ways == _ANY else f"{ways} gateway{'s' * (ways > 1)}"
        axes.plot(sizes, costs, ".-", color=colour, label=f"an image's clicks go to {name}")
    _label(axes, "a million segments, at the example's prices", "Redis, GiB", "cost")
    axes.set(xscale="log", ylim=(0, None))
    axes.minorticks_off()
    axes.set_xticks(sizes, [f"{size:g}" for size in sizes])
    axes.legend()
    figure.savefig(path, dpi=DOTS)


def _label(axes: Axes, title: str, across: str, up: str) -> None:
    axes.set(xlabel=across, ylabel=up)
    axes.set_title(title, size=10)
    axes.grid(alpha=0.3)
