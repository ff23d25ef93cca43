"""What happens on the day: how much is asked when, and what fails."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi
from typing import TYPE_CHECKING, Final

from maskgate.capacity.plan import BUSIEST
from maskgate.capacity.scenario import DAY, HOUR

if TYPE_CHECKING:
    from maskgate.capacity import Plan

SLOT: Final = 300.0
"""Seconds of a slot: for so long rates are taken as even, and figures are means of it."""
SLOTS: Final = round(DAY / SLOT)


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which something is away, in hours of the day; both are whole slots."""

    begins: float
    ends: float

    def covers(self, slot: int) -> bool:
        """Say whether it is away in a slot."""
        return self.begins * HOUR <= slot * SLOT < self.ends * HOUR


@dataclass(frozen=True, slots=True)
class Story:
    """A day.

    Attributes:
        plan: What is asked, and the fleet: that of the peak all day.
        zone: When one zone is away, with its gateways, decoders and encoders. Redis has replicas elsewhere.
        redis: When Redis is away. It comes back empty.
        patience: Seconds after which a call gives up waiting for the encoder.
    """

    plan: Plan
    zone: Outage = Outage(14.5, 15.0)
    redis: Outage = Outage(19.0, 19.25)
    patience: float = 10.0

    def factor(self, slot: float) -> float:
        """Return how many times the day's mean is asked in a slot."""
        hour = slot * SLOT / HOUR
        return 1 + (self.plan.scenario.demand.peak - 1) * cos(2 * pi * (hour - BUSIEST) / 24)

    def left(self, replicas: int, slot: int) -> int:
        """Return how many replicas of a tier are there in a slot."""
        zones = self.plan.scenario.targets.zones
        return replicas - replicas // zones if self.zone.covers(slot) else replicas
