from __future__ import annotations

from math import exp, inf

import pytest

from maskgate.capacity import Aim, Queue, Service, erlang_b, erlang_c
from maskgate.capacity.queueing import lines_for, servers_for

MINUTE_CALLS = Service(seconds=1.0, spread=1.0)


@pytest.mark.parametrize(
    ("servers", "load", "blocked"),
    [
        (1, 0.0101, 0.01),
        (2, 0.153, 0.01),
        (5, 1.36, 0.01),
        (10, 4.46, 0.01),
        (20, 12.03, 0.01),
        (100, 84.1, 0.01),
        (10, 6.22, 0.05),
    ],
)
def test_erlang_b_is_that_of_the_tables(servers: int, load: float, blocked: float) -> None:
    """The loads that tables of trunks give for one and for five percent of lost calls lose as many here."""
    assert blocked == pytest.approx(erlang_b(servers, load), rel=0.01)


@pytest.mark.parametrize(
    ("servers", "load", "waiting"),
    [(1, 0.5, 0.5), (2, 1.0, 1 / 3), (3, 2.0, 4 / 9), (2, 1.5, 9 / 14), (5, 4.0, 0.5541), (10, 8.0, 0.4092)],
)
def test_erlang_c_is_that_of_the_tables(servers: int, load: float, waiting: float) -> None:
    """So many wait as the tables say; those of few servers can be worked out by hand."""
    assert waiting == pytest.approx(erlang_c(servers, load), abs=5e-5)


def test_who_cannot_keep_up_makes_everybody_wait_for_ever() -> None:
    """With as much work as servers, or more, all wait, and no wait is long enough."""
    queue = Queue(rate=3.0, service=MINUTE_CALLS, servers=3)

    assert (1.0, inf, inf, 1.0) == (queue.waiting, queue.mean_wait, queue.wait(0.5), queue.waits_beyond(1e9))


def test_one_server_waits_by_pollaczek_and_khinchine() -> None:
    """The mean wait of one server is exact for any spread: rate x mean square of the service / 2 (1 - use)."""
    queue = Queue(rate=0.8, service=Service(1.0, spread=0.5), servers=1)

    assert 0.8 * (1 + 0.25) / (2 * 0.2) == pytest.approx(queue.mean_wait)


def test_waits_of_exponential_service_are_exact() -> None:
    """With one server and exponential service, use x exp(-(mu - lambda) t) wait longer than t."""
    queue = Queue(rate=0.8, service=MINUTE_CALLS, servers=1)

    assert 0.8 * exp(-0.2 * 3) == pytest.approx(queue.waits_beyond(3.0))
    assert 0.01 == pytest.approx(queue.waits_beyond(queue.wait(0.99)))


def test_a_wait_that_few_have_is_none() -> None:
    """If fewer wait at all than may, the wait that nobody else exceeds is 0."""
    assert 0.0 == Queue(rate=0.001, service=MINUTE_CALLS, servers=1).wait(0.99)


def test_nobody_waits_where_nothing_comes() -> None:
    """A tier without arrivals meets any aim with one server."""
    assert (1, 1) == tuple(count(0.0, MINUTE_CALLS, Aim(0.001)) for count in (servers_for, lines_for))


@pytest.mark.parametrize("count", [servers_for, lines_for])
@pytest.mark.parametrize("rate", [0.3, 7.0, 250.0])
def test_the_servers_are_the_fewest(count: type[servers_for], rate: float) -> None:
    """So many servers meet the aim, and one less does not."""
    aim, enough = Aim(0.5), count(rate, MINUTE_CALLS, Aim(0.5))

    def line(servers: int) -> Queue:
        pooled = count is servers_for
        return Queue(rate if pooled else rate / servers, MINUTE_CALLS, servers if pooled else 1)

    assert (True, False) == (line(enough).meets(aim), enough > 1 and line(enough - 1).meets(aim))


def test_one_line_needs_fewer_servers() -> None:
    """Servers who share a line meet with fewer an aim that takes more where each has a line of its own."""
    assert servers_for(50.0, MINUTE_CALLS, Aim(1.0)) < lines_for(50.0, MINUTE_CALLS, Aim(1.0))
