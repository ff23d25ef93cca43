"""Where clicks find their embeddings: in a gateway's memory, in Redis, or nowhere, so that the image is encoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from maskgate.capacity.caching import Passing, lifetime
from maskgate.capacity.popularity import Popularity
from maskgate.capacity.scenario import DAY, HOUR

if TYPE_CHECKING:
    from maskgate.capacity.scenario import Caches, Demand, Scenario

_FOREVER: Final = 100 * 365 * DAY


@dataclass(frozen=True, slots=True)
class Embeddings:
    """What becomes of clicks, a second.

    Attributes:
        clicks: All of them.
        from_l1: Those whose embedding is in the gateway's memory.
        from_redis: Those whose embedding is read from Redis.
        encodes: Those that wait for the encoder.
        encodes_alone: As many as there would be without Redis: each gateway encodes for itself.
        l1_seconds: How long an embedding stays in L1 after its last use.
        redis_seconds: How long one stays in Redis.
        redis_bytes: What is in Redis.
        of_masks: The part of it that are masks.
    """

    clicks: float
    from_l1: float
    from_redis: float
    encodes: float
    encodes_alone: float
    l1_seconds: float
    redis_seconds: float
    redis_bytes: float
    of_masks: float


@dataclass(frozen=True, slots=True)
class Shared:
    """What is in Redis, and which clicks find it there; all of it stands in one line to be evicted.

    Every click is taken for one that reaches Redis. Those that L1 answers do not, but keep their embedding in L1, which
    is the same for the next click as long as Redis keeps things for longer than L1.

    Attributes:
        traffic: All clicks.
        upload_bytes: Of an image's file.
        caches: Where embeddings are remembered.
    """

    traffic: Passing
    upload_bytes: float
    caches: Caches

    def kept_seconds(self) -> float:
        """Return how long things stay after their last use."""
        if not self.caches.redis_bytes:
            return 0.0
        longest = max(self.caches.embedding_ttl_hours, self.caches.image_ttl_hours) * HOUR
        return min(lifetime(self.size, self.caches.redis_bytes), longest)

    def misses(self, seconds: float) -> float:
        """Return the clicks whose embedding is not there if things stay so long."""
        return self.traffic.misses(min(seconds, self.caches.embedding_ttl_hours * HOUR))

    def of_masks(self, seconds: float) -> float:
        """Return bytes of masks: each answer has one, which few use again."""
        return self.traffic.requests * min(seconds, self.caches.mask_ttl_seconds) * self.caches.mask_bytes

    def size(self, seconds: float) -> float:
        """Return bytes of embeddings, of the files of their images, and of masks."""
        embeddings = self.traffic.held(min(seconds, self.caches.embedding_ttl_hours * HOUR))
        files = self.traffic.held(min(seconds, self.caches.image_ttl_hours * HOUR))
        return embeddings * self.caches.stored_bytes + files * self.upload_bytes + self.of_masks(seconds)


@dataclass(frozen=True, slots=True)
class Lookups:
    """Where clicks find their embeddings, by how many gateways there are.

    Attributes:
        shared: Redis.
        kept: How long it keeps things, in seconds.
        missed: Clicks a second that do not find theirs there.
    """

    shared: Shared
    kept: float
    missed: float

    @classmethod
    def of(cls, scenario: Scenario, *, factor: float) -> Lookups:
        """Look at a moment in which so many times the mean of images and clicks come."""
        shared = Shared(traffic_of(scenario.demand, factor=factor), scenario.demand.upload_bytes, scenario.caches)
        kept = shared.kept_seconds()
        return cls(shared, kept, shared.misses(kept))

    def through(self, gateways: int) -> Embeddings:
        """Divide the clicks that go through so many gateways."""
        traffic, caches = self.shared.traffic, self.shared.caches
        one = traffic.spread_over(gateways, ways=round(caches.gateways_per_image))
        l1_seconds = min(lifetime(one.held, caches.l1_bytes / caches.embedding_bytes), _FOREVER)
        alone = one.misses(l1_seconds) * gateways
        encodes = min(alone, self.missed)
        return Embeddings(
            clicks=traffic.requests,
            from_l1=traffic.requests - alone,
            from_redis=alone - encodes,
            encodes=encodes,
            encodes_alone=alone,
            l1_seconds=l1_seconds,
            redis_seconds=self.kept,
            redis_bytes=self.shared.size(self.kept) if self.kept else 0.0,
            of_masks=self.shared.of_masks(self.kept),
        )


def traffic_of(demand: Demand, *, factor: float) -> Passing:
    """Return the clicks of a moment in which so many times the mean of images and clicks come."""
    images = max(1, round(demand.images_per_day))
    popularity = Popularity.zipf(images, exponent=demand.zipf, clicks=images * demand.clicks_per_image)
    return Passing(demand.births * factor, popularity, demand.clicked_for_hours * HOUR)
