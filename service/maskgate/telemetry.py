"""Every metric and the shape of the logs, in one place. docs/metrics.md lists the metrics; a test compares."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import structlog
from prometheus_client import Counter, Gauge, Histogram

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_PROMPTS = (1, 2, 4, 8, 16, 32, 64)

_LONG_SECONDS = (0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0)


class CallMetrics:
    """Calls of clients."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.answered = Counter(
            "maskgate_requests",
            "Calls answered, by protocol, method and canonical status code.",
            ("protocol", "method", "code"),
            registry=registry,
        )
        self.seconds = Histogram(
            "maskgate_request_duration_seconds",
            "Time from a call's arrival in the gateway to its answer.",
            ("protocol", "method"),
            buckets=_SECONDS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "maskgate_requests_in_flight",
            "Calls being answered now; the signal by which the gateway scales.",
            ("protocol",),
            registry=registry,
        )


class AdmissionMetrics:
    """Who waits for a turn, and who gets none."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.queue_seconds = Histogram(
            "maskgate_queue_seconds",
            "Time that calls waited in the gateway for a place, by tier.",
            ("tier",),
            buckets=_SECONDS,
            registry=registry,
        )
        self.rejections = Counter(
            "maskgate_rejections",
            "Calls that were refused a place, by tier and reason (full, too_late).",
            ("tier", "reason"),
            registry=registry,
        )


class StreamMetrics:
    """Streams of prompts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.open = Gauge("maskgate_streams_open", "Streams of prompts that are open now.", registry=registry)
        self.prompts = Counter(
            "maskgate_stream_prompts",
            "Prompts of streams, by result (answered, superseded, cancelled, failed).",
            ("result",),
            registry=registry,
        )


class CacheMetrics:
    """The tiers of embeddings."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.lookups = Counter(
            "maskgate_embedding_cache_lookups",
            "Lookups of an image embedding, by tier (l1, l2) and result (hit, miss, error).",
            ("tier", "result"),
            registry=registry,
        )
        self.write_errors = Counter(
            "maskgate_embedding_cache_write_errors",
            "Embeddings that a tier could not take.",
            ("tier",),
            registry=registry,
        )
        self.bytes = Gauge(
            "maskgate_embedding_cache_bytes", "Bytes of embeddings in the memory of the gateway.", registry=registry
        )


class SlabMetrics:
    """The first tier, where it is shared memory."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.slots = Gauge(
            "maskgate_slab_slots",
            "Slots for embeddings in shared memory, by state (free, kept, held).",
            ("state",),
            registry=registry,
        )
        self.evictions = Counter("maskgate_slab_evictions", "Embeddings that made room for others.", registry=registry)
        self.generation_errors = Counter(
            "maskgate_slab_generation_errors",
            "Prompts refused because their embedding was replaced while it was used: a fault of the gateway.",
            registry=registry,
        )
        self.registrations = Counter(
            "maskgate_slab_registrations",
            "Attempts to make the shared memory known to Triton, by result (done, refused, away).",
            ("result",),
            registry=registry,
        )


class MaskMetrics:
    """Masks that the next prompt can start from."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.lookups = Counter(
            "maskgate_mask_handle_lookups",
            "Lookups of a mask by its handle, by tier (l1, l2) and result (hit, miss, error).",
            ("tier", "result"),
            registry=registry,
        )
        self.unshared = Counter(
            "maskgate_mask_handles_unshared",
            "Masks that no other gateway can start from: Redis could not take them, or not as fast as they came.",
            registry=registry,
        )
        self.bytes = Gauge(
            "maskgate_mask_handle_bytes", "Bytes of masks in the memory of the gateway.", registry=registry
        )


class FlightMetrics:
    """Encodes that several gateways wanted."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.waits = Counter(
            "maskgate_single_flight_waits",
            "Encodes left to another gateway, by result (shared, took_over, gave_up).",
            ("result",),
            registry=registry,
        )
        self.seconds = Histogram(
            "maskgate_single_flight_wait_seconds",
            "Time waited for another gateway to encode, whatever came of it.",
            buckets=_SECONDS,
            registry=registry,
        )


class InferenceMetrics:
    """Calls to the inference server."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.seconds = Histogram(
            "maskgate_inference_duration_seconds",
            "Time of one call to the inference server, by model and stage (encode, decode, decode_many).",
            ("model", "stage"),
            buckets=_SECONDS,
            registry=registry,
        )
        self.errors = Counter(
            "maskgate_inference_errors",
            "Calls to the inference server that failed, by model, stage and reason.",
            ("model", "stage", "reason"),
            registry=registry,
        )
        self.together = Histogram(
            "maskgate_batch_prompts",
            "Prompts that went to the decoder of many prompts together.",
            buckets=_PROMPTS,
            registry=registry,
        )
        self.sent_bytes = Counter(
            "maskgate_inference_sent_bytes",
            "Bytes of requests to the inference server, by stage and by the way of the embedding (inline, shared).",
            ("stage", "way"),
            registry=registry,
        )
        self.in_flight = Gauge(
            "maskgate_inference_in_flight",
            "Calls at the inference server now, by stage; the signal by which its tiers scale.",
            ("stage",),
            registry=registry,
        )
        self.retries = Counter(
            "maskgate_retries",
            "Calls that failed in a way that a second attempt may mend, by stage and result "
            "(recovered, failed, refused).",
            ("stage", "result"),
            registry=registry,
        )
        self.endpoint_in_flight = Gauge(
            "maskgate_endpoint_in_flight",
            "Calls at one of several inference servers now, by its number in MASKGATE_TRITON_URL.",
            ("endpoint",),
            registry=registry,
        )


class ImageMetrics:
    """Images that come from elsewhere."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.fetches = Counter(
            "maskgate_image_fetches",
            "Images fetched from URLs, by result (done, refused, too_large, failed).",
            ("result",),
            registry=registry,
        )


class TenantMetrics:
    """Tenants, none of which is named: metrics are open, and there may be many."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.refusals = Counter(
            "maskgate_quota_refusals",
            "Uses that a tenant's limit refused, by quota (calls_per_second, pixels_per_minute).",
            ("quota",),
            registry=registry,
        )


class GenerationMetrics:
    """Finding everything in images."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.prompts = Counter("maskgate_generation_prompts", "Points that generations decoded.", registry=registry)
        self.candidates = Counter(
            "maskgate_generation_candidates",
            "Masks of generations that passed the filters, duplicates included.",
            registry=registry,
        )
        self.masks = Counter(
            "maskgate_generation_masks",
            "Masks in the results of generations that came to their end.",
            registry=registry,
        )
        self.seconds = Histogram(
            "maskgate_generation_duration_seconds",
            "Time of generations that came to their end, a slow client's included.",
            buckets=_LONG_SECONDS,
            registry=registry,
        )


class Metrics:
    """The gateway's metrics on an injected registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.calls = CallMetrics(registry)
        self.admissions = AdmissionMetrics(registry)
        self.streams = StreamMetrics(registry)
        self.cache = CacheMetrics(registry)
        self.slab = SlabMetrics(registry)
        self.masks = MaskMetrics(registry)
        self.flights = FlightMetrics(registry)
        self.images = ImageMetrics(registry)
        self.inference = InferenceMetrics(registry)
        self.tenants = TenantMetrics(registry)
        self.generations = GenerationMetrics(registry)
        self.component_up = Gauge(
            "maskgate_component_up",
            "1 while the gateway can reach a component (triton, redis).",
            ("component",),
            registry=registry,
        )


def configure_logging(level: str) -> None:
    """Log events with keys to standard error: lines for people on a terminal, JSON elsewhere."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler = logging.StreamHandler()
    last: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if handler.stream.isatty() else structlog.processors.JSONRenderer()
    )
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                last,
            ],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
