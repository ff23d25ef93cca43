"""How many replicas a tier needs."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from maskgate.capacity.queueing import Queue, lines_for, servers_for

if TYPE_CHECKING:
    from maskgate.capacity.queueing import Aim, Service
    from maskgate.capacity.scenario import Targets


@dataclass(frozen=True, slots=True)
class Load:
    """What comes to a tier.

    Attributes:
        rate: Arrivals a second.
        service: How long one keeps a replica busy.
        aim: The wait that is good enough.
        is_pooled: Whether an arrival takes the first replica that is free, rather than one by chance.
    """

    rate: float
    service: Service
    aim: Aim
    is_pooled: bool


@dataclass(frozen=True, slots=True)
class Tier:
    """Replicas, and how they do.

    Attributes:
        load: What comes.
        least: Replicas that meet the aim, and are not too busy.
        replicas: With those to spare for zones that fail.
    """

    load: Load
    least: int
    replicas: int

    @classmethod
    def sized(cls, load: Load, targets: Targets) -> Tier:
        """Find the fewest replicas, evenly spread over the zones, of which enough are left when some zones fail."""
        needed = servers_for if load.is_pooled else lines_for
        unhurried = ceil(load.rate * load.service.seconds / targets.busy)
        least = max(unhurried, needed(load.rate, load.service, load.aim))
        return cls(load, least, ceil(least / (targets.zones - targets.spare_zones)) * targets.zones)

    @property
    def utilisation(self) -> float:
        """Share of their time that replicas work."""
        return self.line(self.replicas).utilisation

    @property
    def wait(self) -> float:
        """Seconds of waiting that the aimed share of arrivals does not exceed."""
        return self.line(self.replicas).wait(self.load.aim.share)

    def line(self, replicas: int) -> Queue:
        """Return the line of one arrival if so many replicas are there."""
        if self.load.is_pooled:
            return Queue(self.load.rate, self.load.service, replicas)
        return Queue(self.load.rate / replicas, self.load.service, 1)
