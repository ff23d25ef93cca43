"""Metrics of what clients ask for, and of the places that it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

from maskgate.telemetry.buckets import SECONDS

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class CallMetrics:
    """Calls of clients.

    `protocol` is `grpc` or `rest`; `method` is that of the gRPC service for both; `code` is the canonical code
    ([errors.md](errors.md)).

    Example:
        Share of calls that failed through our fault:

        ```promql
        sum(rate(maskgate_requests_total{code=~"INTERNAL|UNAVAILABLE|DEADLINE_EXCEEDED"}[5m])) / sum(rate(maskgate_requests_total[5m]))
        ```
    """  # noqa: E501 - one query, one line

    def __init__(self, registry: CollectorRegistry) -> None:
        self.answered = Counter(
            "maskgate_requests", "Calls answered.", ("protocol", "method", "code"), registry=registry
        )
        self.seconds = Histogram(
            "maskgate_request_duration_seconds",
            "Time from a call's arrival in the gateway to its answer, refusals included.",
            ("protocol", "method"),
            buckets=SECONDS,
            registry=registry,
        )
        self.click_seconds = Histogram(
            "maskgate_click_duration_seconds",
            "The same of `Segment` calls that were answered, by where their embedding was: in `l1`, in `l2`, or "
            "nowhere, which is a `miss`.",
            ("tier",),
            buckets=SECONDS,
            registry=registry,
        )
        for tier in ("l1", "l2", "miss"):
            self.click_seconds.labels(tier)
        self.in_flight = Gauge(
            "maskgate_requests_in_flight",
            "Calls being answered now. Less those that wait (`maskgate_embeddings_awaited`, `maskgate_streams_open`), "
            "the signal by which the gateway scales ([scaling.md](scaling.md)).",
            ("protocol",),
            registry=registry,
        )
        self.received_bytes = Counter(
            "maskgate_received_bytes",
            "Bytes that clients have sent: messages of gRPC, bodies of HTTP, messages of WebSockets.",
            ("protocol",),
            registry=registry,
        )
        self.sent_bytes = Counter(
            "maskgate_sent_bytes",
            "Bytes that clients were answered, in the same way.",
            ("protocol",),
            registry=registry,
        )


class AdmissionMetrics:
    """Waiting for a turn.

    What the tiers are, and when a call is refused, is in [limits.md](limits.md).
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.queue_seconds = Histogram(
            "maskgate_queue_seconds",
            "Time that calls waited in the gateway for a place; those that were let in. Triton's own queue comes on "
            "top.",
            ("tier",),
            buckets=SECONDS,
            registry=registry,
        )
        self.rejections = Counter(
            "maskgate_rejections",
            "Calls that were refused a place with `OVERLOADED`. `full`: all places to wait in were taken; `too_late`: "
            "the turn would have come after the call's deadline. Calls beyond `MASKGATE_MAX_CONCURRENT_CALLS` are not "
            "counted here, but in `maskgate_requests_total`.",
            ("tier", "reason"),
            registry=registry,
        )


class EmbeddingMetrics:
    """Waiting for an embedding.

    By these the tiers scale ([scaling.md](scaling.md)): the gateway by the calls that it works at, the encoder by
    images that have to be encoded.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.waiting = Gauge(
            "maskgate_embeddings_awaited",
            "Waits now for an embedding that is not in L1: of calls, and of each image of a batch. They cost the "
            "gateway next to nothing.",
            registry=registry,
        )
        self.pending = Gauge(
            "maskgate_encodes_pending",
            "Images that this gateway has to have encoded now, however many calls want each: they wait for a place or "
            "for an encoder to start, or are with the encoder.",
            registry=registry,
        )


class StreamMetrics:
    """Streams of prompts.

    A stream is one call above, from its first message to its end ([stream.md](stream.md)).
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.open = Gauge("maskgate_streams_open", "Streams that are open now, over both protocols.", registry=registry)
        self.prompts = Counter(
            "maskgate_stream_prompts",
            "Prompts of streams. `answered`: with masks; `failed`: with an error; `superseded`: a newer one took its "
            "place before it reached the decoder; `cancelled`: given up at work, or in Triton's queue, for a newer "
            "one or another target. Those of clients who left are not counted.",
            ("result",),
            registry=registry,
        )


class TenantMetrics:
    """Tenants.

    None of them is named: metrics need no key, and there may be many ([tenants.md](tenants.md)).
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.refusals = Counter(
            "maskgate_quota_refusals",
            "Uses that a tenant's limit refused, by quota: `calls_per_second`, `pixels_per_minute`.",
            ("quota",),
            registry=registry,
        )
