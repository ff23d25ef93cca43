"""What `make capacity` has shown, as a section of docs/capacity.md."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any, Final

from benchmarks.capacity.checks import closing_line
from benchmarks.capacity.measured import Run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.capacity.checks import Check

BEGIN, END = "<!-- written by make capacity -->", "<!-- end -->"
_HEAD: Final = "| what | said | seen | may differ by | agrees |\n|---|--:|--:|--:|---|\n"


def with_section(page: str, checks: list[Check], document: Mapping[str, Any]) -> str:
    """Put the checks in the place of those that a page has."""
    machine = document["machine"]
    run = Run.read(document["run"])
    where = (
        f"Measured at commit {machine['commit']} on {machine['cpu']}, {machine['cores']} cores, of which others used "
        f"{run.others:.2f} meanwhile. {_work(run)} {closing_line(checks)}."
    )
    rows = "\n".join(check.row for check in checks)
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{where}\n\n{_HEAD}{rows}\n{END}{rest.partition(END)[2]}"


def _work(run: Run) -> str:
    """Say what a call costs the gateway's side."""
    click, first = (1e3 * median(turn.alone.gateway for turn in turns) for turns in (run.clicks, run.firsts))
    return (
        f"The gateway's side, people and Valkey included, is busy for {click:.1f} ms with a click, for "
        f"{1e3 * run.fetched.gateway:.1f} if the embedding is in Valkey, for {first:.1f} if the image is to be encoded."
    )
