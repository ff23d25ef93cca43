"""The plan: replicas, memory, network and cost, at the peak and through a day."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import cos, pi
from typing import TYPE_CHECKING, Final

from maskgate.capacity.embeddings import Lookups
from maskgate.capacity.queueing import Aim, Service
from maskgate.capacity.scenario import GIB, HOUR
from maskgate.capacity.tiers import Load, Tier

if TYPE_CHECKING:
    from maskgate.capacity.embeddings import Embeddings
    from maskgate.capacity.scenario import Scenario

_HOURS: Final = 24
BUSIEST: Final = 15
"""The hour of the day with the peak."""
_PIXEL_BYTES: Final = 3.0 * 2**20
"""What the encoder is sent: 1024 x 1024 pixels of three bytes."""


@dataclass(frozen=True, slots=True)
class Hour:
    """What is needed while so much is asked.

    Attributes:
        factor: What is asked in units of the day's mean.
        embeddings: Where clicks find theirs.
        gateways: Processes, of one core each.
        decoders: Instances.
        encoders: Instances.
    """

    factor: float
    embeddings: Embeddings
    gateways: Tier
    decoders: Tier
    encoders: Tier


@dataclass(frozen=True, slots=True)
class Plan:
    """What a scenario comes to.

    Attributes:
        scenario: What was asked.
        peak: The busiest moment, which replicas are planned for.
        day: Each hour from midnight on; replicas as a tier that scales by itself would have them.
    """

    scenario: Scenario
    peak: Hour
    day: tuple[Hour, ...]

    @property
    def gpus(self) -> float:
        """GPUs at the peak."""
        return self._gpus(self.peak)

    @property
    def cores(self) -> float:
        """Cores at the peak: of gateways, and of decoders that run on them."""
        return self._cores(self.peak)

    @property
    def redis_network(self) -> float:
        """Bytes a second between gateways and Redis at the peak, both ways."""
        return self._redis_network(self.peak)

    @property
    def encoder_network(self) -> float:
        """Bytes a second between gateways and encoders at the peak: pixels there, embeddings back."""
        each = _PIXEL_BYTES + self.scenario.caches.embedding_bytes
        return self.peak.embeddings.encodes * each

    @property
    def client_network(self) -> float:
        """Bytes a second between clients and gateways at the peak: images in, masks out."""
        demand = self.scenario.demand
        return self.peak.factor * (demand.births * demand.upload_bytes + demand.clicks * demand.answer_bytes)

    @property
    def encoders_without_redis(self) -> float:
        """Encoders kept busy at the peak if Redis is away, in units of those that are there."""
        return (
            self.peak.embeddings.encodes_alone * self.peak.encoders.load.service.seconds / self.peak.encoders.replicas
        )

    def cost_of_day(self, *, scales: bool) -> dict[str, float]:
        """Return what a day costs, by what it is paid for.

        Args:
            scales: Whether replicas follow the hours; else those of the peak run all day. Redis stays as it is.
        """
        hours = self.day if scales else (self.peak,) * _HOURS
        prices, caches = self.scenario.prices, self.scenario.caches
        apart = 1 - 1 / self.scenario.targets.zones
        moved = sum(self._redis_network(hour) * HOUR for hour in self.day) / GIB
        return {
            "GPUs": prices.gpu_hour * sum(map(self._gpus, hours)),
            "cores": prices.core_hour * sum(map(self._cores, hours)),
            "L1": prices.l1_gib_hour * caches.l1_bytes / GIB * sum(hour.gateways.replicas for hour in hours),
            "Redis": prices.redis_gib_hour * caches.redis_bytes / GIB * _HOURS,
            "traffic between zones": prices.zone_gib * apart * moved,
        }

    def cost_per_million(self, *, scales: bool) -> float:
        """Return what a million segments cost."""
        clicks = self.scenario.demand.images_per_day * self.scenario.demand.clicks_per_image
        return sum(self.cost_of_day(scales=scales).values()) / clicks * 1e6

    def _gpus(self, hour: Hour) -> float:
        work = self.scenario.work
        return hour.encoders.replicas * work.encoder_gpus + hour.decoders.replicas * work.decoder_gpus

    def _cores(self, hour: Hour) -> float:
        return hour.gateways.replicas + hour.decoders.replicas * self.scenario.work.decoder_cores

    def _redis_network(self, hour: Hour) -> float:
        caches, demand, embeddings = self.scenario.caches, self.scenario.demand, hour.embeddings
        if not caches.redis_bytes:
            return 0.0
        of_embeddings = (embeddings.from_redis + embeddings.encodes) * caches.stored_bytes
        of_files = (demand.births * hour.factor + embeddings.encodes) * demand.upload_bytes
        return of_embeddings + of_files + embeddings.clicks * caches.mask_bytes


def plan(scenario: Scenario) -> Plan:
    """Work a scenario out."""
    swing = scenario.demand.peak - 1
    day = [1 + swing * cos(2 * pi * (hour - BUSIEST) / _HOURS) for hour in range(_HOURS)]
    return Plan(scenario, hour_of(scenario, scenario.demand.peak), tuple(hour_of(scenario, factor) for factor in day))


def hour_of(scenario: Scenario, factor: float) -> Hour:
    """Find the replicas for a moment in which so many times the mean is asked.

    More gateways bring more L1, which is less work for gateways: what is sought are the fewest that are enough with the
    L1 that they bring, and that is found by halves.
    """
    lookups = Lookups.of(scenario, factor=factor)

    def needed(gateways: int) -> Tier:
        return _gateways(scenario, lookups.through(gateways))

    zones = scenario.targets.zones
    least, enough = 0, needed(1).replicas // zones
    while enough - least > 1:
        middle = (least + enough) // 2
        least, enough = (least, middle) if needed(middle * zones).replicas <= middle * zones else (middle, enough)
    embeddings = lookups.through(enough * zones)
    gateways = replace(_gateways(scenario, embeddings), replicas=enough * zones)
    encoders = _encoders(scenario, embeddings.encodes)
    return Hour(factor, embeddings, gateways, _decoders(scenario, embeddings.clicks), encoders)


def _gateways(scenario: Scenario, embeddings: Embeddings) -> Tier:
    """Size the gateways. Images are read in threads beside the clicks, so they take time but hold no line up."""
    work = scenario.work
    further = work.fetch_ms * embeddings.from_redis + work.first_click_ms * embeddings.encodes
    service = Service((work.click_ms + further / embeddings.clicks) / 1e3, work.gateway_spread)
    return Tier.sized(Load(embeddings.clicks, service, _click_aim(scenario), is_pooled=False), scenario.targets)


def _decoders(scenario: Scenario, rate: float) -> Tier:
    service = Service(scenario.work.decode_ms / 1e3, scenario.work.decode_spread)
    return Tier.sized(Load(rate, service, _click_aim(scenario), is_pooled=False), scenario.targets)


def _encoders(scenario: Scenario, rate: float) -> Tier:
    service = Service(scenario.work.encode_ms / 1e3, scenario.work.encode_spread)
    aim = Aim(scenario.targets.encode_wait_ms / 1e3, scenario.targets.share)
    return Tier.sized(Load(rate, service, aim, is_pooled=True), scenario.targets)


def _click_aim(scenario: Scenario) -> Aim:
    return Aim(scenario.targets.click_wait_ms / 1e3, scenario.targets.share)
