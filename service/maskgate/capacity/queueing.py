"""How long work waits for one of several servers.

Arrivals are Poisson's: clicks of many people who know nothing of each other. Sources: A. K. Erlang 1917 (the formulas
B and C); A. M. Lee and P. A. Longton 1959 (the mean wait of M/G/c); W. Whitt, "Approximations for the GI/G/m queue",
Production and Operations Management 2(2), 1993 (the wait of those who do wait is nearly exponential).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, exp, inf, log
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def erlang_b(servers: int, load: float) -> float:
    """Return the share of calls that find all servers busy where nobody waits (M/G/c/c).

    Args:
        servers: How many there are, from 0.
        load: Work that arrives, in servers kept busy (erlang): rate x mean service time.
    """
    blocked = 1.0
    for busy in range(1, servers + 1):
        blocked = load * blocked / (busy + load * blocked)
    return blocked


def erlang_c(servers: int, load: float) -> float:
    """Return the share of calls that have to wait (M/M/c); 1 where the servers cannot keep up."""
    if load >= servers:
        return 1.0
    blocked = erlang_b(servers, load)
    return blocked / (1 - load / servers * (1 - blocked))


@dataclass(frozen=True, slots=True)
class Service:
    """How long a server is busy with one piece of work.

    Attributes:
        seconds: On average.
        spread: Standard deviation in units of the mean: 0 if all take the same time, 1 for exponential times.
    """

    seconds: float
    spread: float = 0.0


@dataclass(frozen=True, slots=True)
class Aim:
    """A wait that only few may exceed.

    Attributes:
        seconds: The wait before service, not the service.
        share: Of all calls, how many wait no longer; .99 makes `seconds` the p99.
    """

    seconds: float
    share: float = 0.99


@dataclass(frozen=True, slots=True)
class Queue:
    """Work that arrives by chance at servers who share one line (M/G/c).

    Attributes:
        rate: Arrivals a second.
        service: How long each takes.
        servers: How many serve.
    """

    rate: float
    service: Service
    servers: int

    @property
    def load(self) -> float:
        """Servers that the work keeps busy (erlang)."""
        return self.rate * self.service.seconds

    @property
    def utilisation(self) -> float:
        """Share of their time that servers work; 1 and more: the line grows without end."""
        return self.load / self.servers

    @property
    def waiting(self) -> float:
        """Share of arrivals that find every server busy. Erlang's C, which is exact for exponential service."""
        return erlang_c(self.servers, self.load)

    @property
    def mean_wait(self) -> float:
        """Seconds before service, on average over all. Exact for one server."""
        return self.waiting * self.mean_wait_of_waiting

    @property
    def mean_wait_of_waiting(self) -> float:
        """Seconds before service, of those who wait at all: those of M/M/c, times (1 + spread^2) / 2."""
        if self.utilisation >= 1:
            return inf
        return self.service.seconds / (self.servers - self.load) * (1 + self.service.spread**2) / 2

    def waits_beyond(self, seconds: float) -> float:
        """Return the share that waits longer than this."""
        return self.waiting * exp(-seconds / self.mean_wait_of_waiting)

    def wait(self, share: float) -> float:
        """Return the wait in seconds that this share does not exceed: .99 asks for the p99."""
        few = 1 - share
        return self.mean_wait_of_waiting * log(self.waiting / few) if self.waiting > few else 0.0

    def meets(self, aim: Aim) -> bool:
        """Say whether few enough wait too long."""
        return self.waits_beyond(aim.seconds) <= 1 - aim.share


def servers_for(rate: float, service: Service, aim: Aim) -> int:
    """Return the fewest servers in one line that meet an aim; at least one."""
    return _fewest(lambda servers: Queue(rate, service, servers), rate * service.seconds, aim)


def lines_for(rate: float, service: Service, aim: Aim) -> int:
    """Return the fewest servers that meet an aim where each has a line of its own, and arrivals choose by chance."""
    return _fewest(lambda servers: Queue(rate / servers, service, 1), rate * service.seconds, aim)


def _fewest(line: Callable[[int], Queue], load: float, aim: Aim) -> int:
    """Find the fewest servers by halves: more of them never wait longer, and fewer than the load cannot keep up."""
    enough = max(1, ceil(load))
    least = enough - 1
    while not line(enough).meets(aim):
        least, enough = enough, 2 * enough
    while enough - least > 1:
        middle = (least + enough) // 2
        least, enough = (least, middle) if line(middle).meets(aim) else (middle, enough)
    return enough
