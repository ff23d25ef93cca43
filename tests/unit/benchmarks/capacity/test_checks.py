from __future__ import annotations

from dataclasses import asdict

from benchmarks.capacity.checks import Check, closing_line
from benchmarks.capacity.measured import Alone, Found, Run, Turn
from benchmarks.capacity.page import with_section


def test_figures_agree_within_a_share_of_what_was_said() -> None:
    """A fifth more or less passes, and more than that does not; a bound may be met and not exceeded."""
    near = [Check("near", said=10, seen=seen).has_passed for seen in (7.9, 8.0, 12.0, 12.1)]
    most = [Check.at_most("most", 10, seen).has_passed for seen in (0, 10, 10.1)]
    least = [Check.at_least("least", 10, seen, within=0.05).has_passed for seen in (9.4, 9.5, 99)]

    assert ([False, True, True, False], [True, True, False], [False, True, True]) == (near, most, least)


def test_the_last_line_counts() -> None:
    """Passed and failed are counted as make's other verbs do."""
    assert "2 passed, 1 failed" == closing_line([Check("a", 1, 1), Check("b", 1, 9), Check("c", 1, 1)])


def test_the_page_gets_the_table() -> None:
    """The section between its marks is replaced, and all else stays."""
    page = "before\n<!-- written by make capacity -->\nold\n<!-- end -->\nafter\n"
    turns = tuple(Turn(Alone(seconds, 0, 0, 0), ()) for seconds in (0.004, 0.005, 0.9))
    run = Run(turns, turns, Alone(0.0091, 0, 0, 0), Found(0, 0, 0, 0, 0), others=0.05)
    document = {"machine": {"commit": "abc", "cpu": "a CPU", "cores": 2}, "run": asdict(run)}

    written = with_section(page, [Check("waits, ms", 2, 2.1), Check.at_most("given up", 0, 3)], document)

    assert written.startswith("before\n<!-- written")
    assert written.endswith("<!-- end -->\nafter\n")
    assert "| waits, ms | 2 | 2.1 | ±20% | yes |\n| given up | 0 | 3 | at most | **no** |" in written
    assert "busy for 5.0 ms with a click, for 9.1 if the embedding is in Valkey" in written
    assert "old" not in written
