from __future__ import annotations

import numpy as np
import pytest

from benchmarks.capacity.measured import Alone, Crowded, poisson_times
from benchmarks.capacity.queues import Bench, waits
from maskgate.capacity import Queue, Service

BUSY = Queue(rate=14.0, service=Service(0.05, spread=0.5), servers=1)


def test_a_seed_is_a_simulation() -> None:
    """One seed gives the same waits each time, and another one others."""
    once, again, other = (waits(BUSY, calls=300, seed=seed) for seed in (1, 1, 2))

    assert once.tolist() == again.tolist()
    assert once.tolist() != other.tolist()


@pytest.mark.parametrize("servers", [1, 6])
def test_lines_wait_as_the_formula_says(servers: int) -> None:
    """The mean wait of a line that is simulated is that of the formula, to a fifth."""
    queue = Queue(14.0 * servers, BUSY.service, servers)

    assert queue.mean_wait == pytest.approx(waits(queue, calls=40_000, seed=4).mean(), rel=0.2)


def test_people_come_by_chance() -> None:
    """So many come a second, and one seed is one sequence."""
    times = poisson_times(20.0, 4000, seed=1)

    assert 200.0 == pytest.approx(times[-1], rel=0.05)
    assert times.tolist() == np.sort(times).tolist() == poisson_times(20.0, 4000, seed=1).tolist()


def test_a_lone_click_waits_for_nobody() -> None:
    """Where hardly anybody comes, people of the simulated machine wait as long as those who were alone."""
    alone = Alone(gateway=0.006, models=0.016, latency=0.026, spread=0.0)
    crowd = Crowded(rate=0.01, calls=20, seed=0, mean=0, p50=0, p95=0, gateway=0, models=0)

    assert [0.026] * 20 == pytest.approx(Bench(alone, instances=2).latencies(crowd, seed=1).tolist())


def test_a_crowd_waits() -> None:
    """The busier the core of the models, the longer people wait."""
    alone = Alone(gateway=0.006, models=0.016, latency=0.026, spread=0.1)
    means = [
        Bench(alone, instances=2).latencies(Crowded(rate, 400, 0, 0, 0, 0, 0, 0), seed=1).mean()
        for rate in (10, 30, 50)
    ]

    assert sorted(means) == means
    assert means[2] > 1.5 * means[0]
