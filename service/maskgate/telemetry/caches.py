"""Metrics of what is remembered, and of what that saves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

from maskgate.telemetry.buckets import SECONDS

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class CacheMetrics:
    """The tiers of embeddings.

    Example:
        Encodes per click (a gateway that waits for another one's encode asks L2 twice, so its misses would say too
        much):

        ```promql
        sum(rate(maskgate_inference_duration_seconds_count{stage="encode"}[5m]))
          / sum(rate(maskgate_embedding_cache_lookups_total{tier="l1"}[5m]))
        ```
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.lookups = Counter(
            "maskgate_embedding_cache_lookups",
            "Lookups of an embedding. `tier` is `l1` (this process) or `l2` (Redis); `result` is `hit`, `miss` or "
            "`error`. L2 is asked only after L1 has missed.",
            ("tier", "result"),
            registry=registry,
        )
        self.write_errors = Counter(
            "maskgate_embedding_cache_write_errors",
            "Embeddings that a tier could not take. The request was answered all the same.",
            ("tier",),
            registry=registry,
        )
        self.bytes = Gauge(
            "maskgate_embedding_cache_bytes",
            "Bytes of embeddings in the memory of the process, or in its shared memory (L1).",
            registry=registry,
        )


class MaskMetrics:
    """Masks to start from.

    Each answered mask has a handle by which the next prompt can start from it ([prompts.md](prompts.md)).
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.lookups = Counter(
            "maskgate_mask_handle_lookups",
            "Lookups of a mask by its handle. `tier` is `l1` (this process) or `l2` (Redis, asked only after L1 has "
            "missed); `result` is `hit`, `miss` or `error`. Many misses in `l2`: raise `MASKGATE_MASK_TTL_SECONDS`, or "
            "Redis evicts.",
            ("tier", "result"),
            registry=registry,
        )
        self.unshared = Counter(
            "maskgate_mask_handles_unshared",
            "Masks that only this gateway knows: Redis could not take them, or not as fast as they came.",
            registry=registry,
        )
        self.bytes = Gauge(
            "maskgate_mask_handle_bytes", "Bytes of masks in the memory of the process.", registry=registry
        )


class FlightMetrics:
    """One encode across gateways."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.waits = Counter(
            "maskgate_single_flight_waits",
            "Encodes that this gateway left to another one, or wanted to. `shared`: it found the other's embedding; "
            "`took_over`: the other died or failed, and this one encoded; `gave_up`: Redis could not be asked or the "
            "other took too long, and this one encoded without a lock.",
            ("result",),
            registry=registry,
        )
        self.seconds = Histogram(
            "maskgate_single_flight_wait_seconds",
            "Time waited for the other gateway, whatever came of it.",
            buckets=SECONDS,
            registry=registry,
        )


class SlabMetrics:
    """The slab.

    Where L1 is shared memory, embeddings lie in slots of fixed size; a slot is held while a prompt is decoded from it.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.slots = Gauge(
            "maskgate_slab_slots",
            "Slots now. `state` is `held` (used by a prompt), `kept` or `free`. All 0: there is no shared memory, and "
            "L1 is in the process. `free` ones may still find no room in `/dev/shm`.",
            ("state",),
            registry=registry,
        )
        for state in ("held", "kept", "free"):
            self.slots.labels(state)
        self.evictions = Counter(
            "maskgate_slab_evictions",
            "Embeddings that made room for others. Many, with L2 hits as many: raise "
            "`MASKGATE_EMBEDDING_MEMORY_BYTES`.",
            registry=registry,
        )
        self.registrations = Counter(
            "maskgate_slab_registrations",
            "Attempts to make the shared memory known to Triton: `done`, once or a few times for each start of Triton; "
            "`refused`, by one that cannot map it (another machine or user), so clicks carry their embeddings for a "
            "minute; `away`.",
            ("result",),
            registry=registry,
        )
        self.generation_errors = Counter(
            "maskgate_slab_generation_errors",
            "Prompts that were refused because their embedding was replaced while it was used. Always 0; anything "
            "else is a fault of the gateway to be reported.",
            registry=registry,
        )
