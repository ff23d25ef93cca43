"""Counts what the adapter hides: bytes by the way they went, and registrations."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from maskgate.adapters.triton.watching import Registration, Retry, Way

if TYPE_CHECKING:
    from maskgate.telemetry import InferenceMetrics, SlabMetrics


class CountedTriton:
    """A Watcher that counts; all of its counters are exposed from the start."""

    def __init__(self, inference: InferenceMetrics, slab: SlabMetrics) -> None:
        ways = [("encode", Way.INLINE), *((stage, way) for stage in ("decode", "decode_many") for way in Way)]
        self._bytes = {way: inference.sent_bytes.labels(*way) for way in ways}
        stages = ("describe", "encode", "decode", "decode_many")
        self._retries = {key: inference.retries.labels(*key) for key in product(stages, Retry)}
        self._registrations = {result: slab.registrations.labels(result) for result in Registration}
        self._generation_errors = slab.generation_errors

    def sent(self, stage: str, way: Way, size: int) -> None:
        """See Watcher."""
        self._bytes[stage, way].inc(size)

    def registered(self, result: Registration) -> None:
        """See Watcher."""
        self._registrations[result].inc()

    def retried(self, stage: str, result: Retry) -> None:
        """See Watcher."""
        self._retries[stage, result].inc()

    def stale(self) -> None:
        """See Watcher."""
        self._generation_errors.inc()
