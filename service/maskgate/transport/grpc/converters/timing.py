"""Timings as messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskgate.domain.timing import CacheTier
from maskgate.transport.grpc._pb import segmentation_pb2 as pb

if TYPE_CHECKING:
    from maskgate.domain.timing import Timing

_CACHE_TIER = {
    CacheTier.MISS: pb.CACHE_TIER_MISS,
    CacheTier.L1: pb.CACHE_TIER_L1,
    CacheTier.L2: pb.CACHE_TIER_L2,
}


def from_cache_tier(tier: CacheTier) -> pb.CacheTier:
    """Write where an embedding was found."""
    return _CACHE_TIER[tier]


def from_timing(timing: Timing) -> pb.Timing:
    """Write where the time of a call went."""
    return pb.Timing(
        cache_tier=from_cache_tier(timing.cache_tier),
        queue_ms=timing.queue * 1e3,
        encode_ms=timing.encode * 1e3,
        decode_ms=timing.decode * 1e3,
        total_ms=timing.total * 1e3,
        postprocess_ms=timing.postprocess * 1e3,
    )
