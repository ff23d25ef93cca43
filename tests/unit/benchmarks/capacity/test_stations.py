from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import simpy

from benchmarks.capacity.stations import Batcher, Core, Line

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable


def ends(env: simpy.Environment, work: Callable[[float], object], jobs: Iterable[tuple[float, float]]) -> list[float]:
    """When each job is done that comes at a time with so much work."""
    done: dict[int, float] = {}

    def job(number: int, comes: float, seconds: float) -> Generator[simpy.Event, None, None]:
        yield env.timeout(comes)
        begun = work(seconds)
        if isinstance(begun, simpy.Event):
            yield begun
        else:
            yield from begun  # type: ignore[misc] # a line's work is a process
        done[number] = env.now

    for number, (comes, seconds) in enumerate(jobs):
        env.process(job(number, comes, seconds))
    env.run()
    return [done[number] for number in sorted(done)]


def test_a_line_serves_who_came_first() -> None:
    """Two servers take three jobs: the third waits for the first that is free."""
    env = simpy.Environment()

    assert [3.0, 2.0, 3.5] == ends(env, Line(env, 2).work, [(0, 3), (0.5, 1.5), (1, 1.5)])


def test_a_core_is_shared() -> None:
    """Two who want a core get half of it each, and all of it when the other is done."""
    env = simpy.Environment()

    assert pytest.approx([3.0, 2.0]) == ends(env, Core(env).work, [(0, 2), (0, 1)])


def test_a_core_rests() -> None:
    """Who comes after a time in which nobody wanted the core has it from then on."""
    env = simpy.Environment()

    assert pytest.approx([1.0, 6.0]) == ends(env, Core(env).work, [(0, 1), (5, 1)])


def test_a_batch_is_answered_together() -> None:
    """Rows that wait while an instance works go together, and all are answered when the last of them is done."""
    env = simpy.Environment()

    assert pytest.approx([2.0, 5.0, 5.0]) == ends(
        env, Batcher(env, Core(env), instances=1).work, [(0, 2), (0.5, 1), (1, 2)]
    )


def test_a_batch_has_a_bound() -> None:
    """What is more than a batch takes waits for the next one."""
    env = simpy.Environment()

    assert pytest.approx([1.0, 3.0, 3.0, 4.0]) == ends(
        env, Batcher(env, Core(env), instances=1, most=2).work, [(0, 1), (0.1, 1), (0.2, 1), (0.3, 1)]
    )


def test_instances_share_the_core() -> None:
    """Two instances work at once, each half as fast."""
    env = simpy.Environment()

    assert pytest.approx([2.0, 2.0]) == ends(env, Batcher(env, Core(env), instances=2).work, [(0, 1), (0, 1)])
