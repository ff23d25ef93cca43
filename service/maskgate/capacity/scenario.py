"""What is asked of the service, what it is given, and what it costs.

The defaults are a day of ten million images and half a billion clicks. Each field has its unit in its name, its bounds
in its metadata, and where its default is from in docs/capacity.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import Any, Final

HOUR: Final = 3600.0
DAY: Final = 24 * HOUR
KB, MB = 1e3, 1e6
GIB: Final = 2.0**30


def _at_least(least: float, *, default: float, most: float = inf) -> Any:  # noqa: ANN401 - as dataclasses.field
    return field(default=default, metadata={"least": least, "most": most})


@dataclass(frozen=True, slots=True)
class Demand:
    """Who asks for what.

    Attributes:
        images_per_day: New images.
        clicks_per_image: On average.
        zipf: Exponent of popularity; 0: all images get the same number of clicks.
        clicked_for_hours: How long an image's clicks go on, from the first to the last.
        peak: The busiest moment in units of the day's mean; the day is a cosine about it.
        upload_bytes: Of an image's file.
        answer_bytes: Of an answer with its mask.
    """

    images_per_day: float = _at_least(1, default=10e6, most=1e9)
    clicks_per_image: float = _at_least(0.01, default=50.0, most=1e5)
    zipf: float = _at_least(0, default=0.8, most=3)
    clicked_for_hours: float = _at_least(0.001, default=0.5)
    peak: float = _at_least(1, default=1.8, most=1.95)
    upload_bytes: float = _at_least(0, default=400 * KB)
    answer_bytes: float = _at_least(0, default=7 * KB)

    @property
    def births(self) -> float:
        """New images a second, on the day's mean."""
        return self.images_per_day / DAY

    @property
    def clicks(self) -> float:
        """Clicks a second, on the day's mean."""
        return self.births * self.clicks_per_image


@dataclass(frozen=True, slots=True)
class Caches:
    """Where embeddings are remembered.

    Attributes:
        l1_bytes: Each gateway process's memory for embeddings (L1).
        gateways_per_image: Over how many processes the clicks on an image spread: 1 where its clicks come over one
            connection; as many as there are where a balancer spreads calls.
        embedding_bytes: Of an embedding in L1.
        stored_bytes: Of an embedding in Redis.
        redis_bytes: Memory of Redis for all that maskgate keeps there (L2); 0: there is no Redis.
        embedding_ttl_hours: As MASKGATE_EMBEDDING_TTL_SECONDS.
        image_ttl_hours: As MASKGATE_IMAGE_TTL_SECONDS.
        mask_bytes: Of a mask to start from in Redis; 0 if MASKGATE_MASK_SHARE is off.
        mask_ttl_seconds: As MASKGATE_MASK_TTL_SECONDS.
    """

    l1_bytes: float = _at_least(0, default=2 * GIB)
    gateways_per_image: float = _at_least(1, default=4.0)
    embedding_bytes: float = _at_least(1, default=2.0 * 2**20)
    stored_bytes: float = _at_least(1, default=2_097_760.0)
    redis_bytes: float = _at_least(0, default=1024 * GIB)
    embedding_ttl_hours: float = _at_least(0.001, default=168.0)
    image_ttl_hours: float = _at_least(0.001, default=24.0)
    mask_bytes: float = _at_least(0, default=30 * KB)
    mask_ttl_seconds: float = _at_least(1, default=600.0)


@dataclass(frozen=True, slots=True)
class Work:
    """What one server of each tier is busy with, measured.

    Attributes:
        click_ms: A gateway process, with a click whose embedding is in L1.
        fetch_ms: The same on top, to read an embedding from Redis.
        first_click_ms: The same on top, to take an image in and bring it to the encoder and its embedding back.
        gateway_spread: Standard deviation of a click in units of its mean.
        decode_ms: An instance of the decoder, with one prompt; of a batch, its share.
        decode_spread: As above.
        decoder_gpus: GPUs of an instance of the decoder.
        decoder_cores: Cores of it.
        encode_ms: An instance of the encoder, with one image.
        encode_spread: As above.
        encoder_gpus: GPUs of an instance of the encoder.
    """

    click_ms: float = _at_least(0.001, default=5.0)
    fetch_ms: float = _at_least(0, default=4.0)
    first_click_ms: float = _at_least(0, default=25.0)
    gateway_spread: float = _at_least(0, default=0.5)
    decode_ms: float = _at_least(0.001, default=8.0)
    decode_spread: float = _at_least(0, default=0.3)
    decoder_gpus: float = _at_least(0, default=0.0)
    decoder_cores: float = _at_least(0, default=2.0)
    encode_ms: float = _at_least(0.001, default=48.0, most=60e3)
    encode_spread: float = _at_least(0, default=0.1)
    encoder_gpus: float = _at_least(0, default=1.0)


@dataclass(frozen=True, slots=True)
class Targets:
    """What is good enough.

    Attributes:
        share: Of calls that wait no longer than the following.
        click_wait_ms: In the line of the gateway, and again in that of the decoder.
        encode_wait_ms: In the line of the encoder.
        busy: Most that replicas may be used, whatever the waits: forecasts are wrong, and loads come in waves.
        zones: Each tier is spread evenly over as many zones.
        spare_zones: So many may fail at the peak, and the rest meets the targets.
    """

    share: float = _at_least(0.5, default=0.99, most=0.99999)
    click_wait_ms: float = _at_least(0.1, default=50.0)
    encode_wait_ms: float = _at_least(0.1, default=500.0)
    busy: float = _at_least(0.05, default=0.8, most=0.99)
    zones: int = _at_least(1, default=3)
    spare_zones: int = _at_least(0, default=1)


@dataclass(frozen=True, slots=True)
class Prices:
    """What things cost, in any one currency.

    Attributes:
        gpu_hour: A GPU with its host, for an hour.
        core_hour: A core with its share of memory.
        l1_gib_hour: Memory of gateways for L1, beyond that share.
        redis_gib_hour: Memory of Redis, overhead and replicas included.
        zone_gib: Traffic from one zone to another.
    """

    gpu_hour: float = _at_least(0, default=2.0)
    core_hour: float = _at_least(0, default=0.04)
    l1_gib_hour: float = _at_least(0, default=0.004)
    redis_gib_hour: float = _at_least(0, default=0.016)
    zone_gib: float = _at_least(0, default=0.02)


@dataclass(frozen=True, slots=True)
class Scenario:
    """All that a plan depends on; a section of the file each."""

    demand: Demand = field(default_factory=Demand)
    caches: Caches = field(default_factory=Caches)
    work: Work = field(default_factory=Work)
    targets: Targets = field(default_factory=Targets)
    prices: Prices = field(default_factory=Prices)
