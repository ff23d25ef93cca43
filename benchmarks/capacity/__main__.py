"""Measures the stack, simulates it and a whole fleet, compares both with the formulas, and draws the pictures.

    python -m benchmarks.capacity              # two minutes of measuring, two of simulating
    python -m benchmarks.capacity --measured   # against the committed measurement

Status 1 where something disagrees by more than it may.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from benchmarks.capacity import formulas, plots
from benchmarks.capacity.bench import check_stack
from benchmarks.capacity.checks import Check, closing_line
from benchmarks.capacity.day.picture import draw_day
from benchmarks.capacity.day.story import Story
from benchmarks.capacity.day.telling import check_day, live_through
from benchmarks.capacity.measured import Run
from benchmarks.capacity.page import with_section
from benchmarks.capacity.stack_run import RESULTS, write_run
from maskgate.capacity import Scenario, plan

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE: Final = Path("docs/capacity.md")
PICTURES: Final = Path("docs/capacity")
SEED: Final = 1


@click.command()
@click.option("--measured", is_flag=True, help="Takes the committed measurement rather than measure anew.")
@click.option("--share", default=200, show_default=True, help="One image in so many is looked at in the day's caches.")
def capacity(*, measured: bool, share: int) -> None:
    """Check the capacity model, and write docs/capacity."""
    if not measured:
        write_run(RESULTS)
    document = json.loads(RESULTS.read_text(encoding="utf-8"))
    checks = []
    for check in _checks(document, share):
        click.echo(check)
        checks.append(check)
    PAGE.write_text(with_section(PAGE.read_text(encoding="utf-8"), checks, document), encoding="utf-8")
    click.echo(closing_line(checks))
    sys.exit(0 if all(check.has_passed for check in checks) else 1)


def _checks(document: dict[str, Any], share: int) -> Iterator[Check]:
    """Check one part after the other, and draw each as soon as its figures are there."""
    PICTURES.mkdir(exist_ok=True)
    lines, caches = formulas.simulate_lines(seed=SEED), formulas.simulate_caches(seed=SEED)
    plots.draw_waits(lines, PICTURES / "waits.png")
    plots.draw_hits(caches, PICTURES / "hits.png")
    yield from (*formulas.check_lines(lines), *formulas.check_caches(caches))
    yield from formulas.check_catalogue(formulas.simulate_catalogue(seed=SEED))
    run = Run.read(document["run"])
    plots.draw_measured(run, PICTURES / "measured.png")
    yield from check_stack(run)
    plots.draw_cost(Scenario(), PICTURES / "cost.png")
    day = live_through(Story(plan(Scenario())), share=share, seed=SEED)
    draw_day(day, PICTURES / "day.png")
    yield from check_day(day)


if __name__ == "__main__":
    capacity()
