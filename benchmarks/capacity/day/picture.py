"""The picture of the day."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from benchmarks.capacity.day.story import SLOT
from benchmarks.capacity.plots import COLOURS, DOTS

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    from benchmarks.capacity.day.telling import Day

_WARNING = "#c0392b"


def draw_day(day: Day, path: Path) -> None:
    """Draw the day."""
    figure = Figure(figsize=(10, 11), layout="constrained")
    rows = figure.subplots(5, 1, sharex=True)
    for draw, axes in zip((_clicks, _shares, _encodes, _waits, _refused), rows, strict=True):
        draw(day, axes)
        for name, outage in (("zone", day.story.zone), ("Redis", day.story.redis)):
            axes.axvspan(outage.begins, outage.ends, color="#c0392b", alpha=0.15, lw=0)
            axes.text(
                outage.begins, 1.01, f"{name} away", transform=axes.get_xaxis_transform(), color="#c0392b", size=8
            )
        axes.grid(alpha=0.3)
    rows[-1].set(xlabel="hour of the day", xlim=(0, 24), xticks=range(0, 25, 2))
    figure.savefig(path, dpi=DOTS)


def _clicks(day: Day, axes: Axes) -> None:
    axes.plot(day.hours, day.clicks, color=COLOURS[0])
    axes.set(ylabel="clicks a second", ylim=(0, None))


def _shares(day: Day, axes: Axes) -> None:
    parts = [100 * each / day.lookups.clicks for each in (day.lookups.l1, day.lookups.redis, day.lookups.missed)]
    axes.stackplot(day.hours, parts, labels=("L1", "Redis", "encoder"), colors=COLOURS[:3], alpha=0.8)
    axes.set(ylabel="embedding from, %", ylim=(0, 100))
    axes.legend(loc="lower left", ncols=3)


def _encodes(day: Day, axes: Axes) -> None:
    axes.plot(day.hours, day.encoding.asked / SLOT, color=COLOURS[0], label="asked for")
    encoders = day.story.plan.peak.encoders
    there = [day.story.left(encoders.replicas, slot) / encoders.load.service.seconds for slot in range(len(day.hours))]
    axes.plot(day.hours, there, "--", color=COLOURS[3], label="can be done")
    axes.set(ylabel="encodes a second", yscale="log")
    axes.legend(loc="upper left")


def _waits(day: Day, axes: Axes) -> None:
    axes.plot(day.hours, 1e3 * day.click_wait, color=COLOURS[0], label="click, gateway and decoder")
    axes.plot(day.hours, 1e3 * np.maximum(day.encoding.wait, 1e-4), color=COLOURS[1], label="encode")
    axes.set(ylabel="p99 of the wait, ms", yscale="log", ylim=(0.1, 2e4))
    axes.legend(loc="upper left")


def _refused(day: Day, axes: Axes) -> None:
    given_up = day.encoding.given_up / np.maximum(1, day.encoding.asked)
    axes.plot(day.hours, 100 * day.encoding.busy, color=COLOURS[0], label="of their time that encoders are busy")
    axes.plot(day.hours, 100 * given_up, color=COLOURS[3], label="of encodes that are given up")
    axes.set(ylabel="share, %", ylim=(-2, 107))
    axes.legend(loc="upper left")
