from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.capacity import plots
from benchmarks.capacity.day.lines import Encoding
from benchmarks.capacity.day.lookups import Lookups
from benchmarks.capacity.day.picture import draw_day
from benchmarks.capacity.day.story import SLOTS, Story
from benchmarks.capacity.day.telling import Day
from benchmarks.capacity.formulas import Kept, Waited
from benchmarks.capacity.measured import Alone, Crowded, Found, Run, Turn
from maskgate.capacity import Queue, Scenario, Service, plan, read_scenario

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COUNTS = np.full(SLOTS, 7)
TURN = Turn(Alone(0.005, 0.015, 0.02, 0.1), (Crowded(20.0, 30, 0, 0.025, 0.02, 0.04, 0.1, 0.3),))
RUN = Run((TURN, TURN), (TURN,), TURN.alone, Found(10, 0.5, 0.3, 0.2, 20), 0.0)


def a_day() -> Day:
    story = Story(plan(read_scenario({"demand": {"images_per_day": 100_000}})))
    encoding = Encoding(COUNTS, COUNTS * 0, COUNTS * 0.01, COUNTS * 0.1)
    return Day(story, Lookups(COUNTS, COUNTS, COUNTS, 10), encoding, COUNTS * 0.01)


@pytest.mark.parametrize(
    "draw",
    [
        partial(plots.draw_waits, [Waited(Queue(10.0, Service(0.05, 1.0), 1), 0.05, 0.2)]),
        partial(plots.draw_hits, [Kept(30, 0.3, 0.4), Kept(300, 0.7, 0.8)]),
        partial(plots.draw_measured, RUN),
        partial(plots.draw_cost, Scenario(), sizes=[1024.0]),
        lambda path: draw_day(a_day(), path),
    ],
    ids=["waits", "hits", "measured", "cost", "day"],
)
def test_each_picture_is_a_png(draw: Callable[[Path], None], tmp_path: Path) -> None:
    """What is drawn can be looked at."""
    path = tmp_path / "picture.png"

    draw(path)

    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.stat().st_size > 10_000
