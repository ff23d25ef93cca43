"""Metrics of the work behind an answer: the gateway's own, and that of the inference server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

from maskgate.telemetry.buckets import LONG_SECONDS, PROMPTS, SECONDS

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class ImageMetrics:
    """Reading images."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.seconds = Histogram(
            "maskgate_image_decode_duration_seconds",
            "Time to decode the pixels of one image file, the wait for a thread included. `purpose` is `inspect`, at "
            "its upload, or `prepare`, for the encoder, with the scaling to its size. Files that cannot be read "
            "count, too.",
            ("purpose",),
            buckets=SECONDS,
            registry=registry,
        )
        self.fetches = Counter(
            "maskgate_image_fetches",
            "Images fetched from URLs. `done`; `refused`: the host is not allowed; `too_large`; `failed`: anything "
            "else, the log says what.",
            ("result",),
            registry=registry,
        )


class RenderMetrics:
    """Finishing masks."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.seconds = Histogram(
            "maskgate_postprocess_duration_seconds",
            "Time to scale the masks of one prompt, or one mask of a generation, up and to write them in the forms "
            "that were asked for, the wait for a thread included. The wait for a place is "
            '`maskgate_queue_seconds{tier="render"}`.',
            buckets=SECONDS,
            registry=registry,
        )


class InferenceMetrics:
    """Calls to the inference server.

    `stage` is `encode`, `decode` or `decode_many`: prompts that go together, and long ones. Second attempts are bounded
    ([limits.md](limits.md)).

    Example:
        What happens inside Triton (batches, queues, compute) is in its own metrics, by default at
        `http://127.0.0.1:8002/metrics`: `nv_inference_count / nv_inference_exec_count` of the decoder is the mean size
        of a batch.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.seconds = Histogram(
            "maskgate_inference_duration_seconds",
            "Time of one call to Triton that succeeded, its queue and the way there included.",
            ("model", "stage"),
            buckets=SECONDS,
            registry=registry,
        )
        self.errors = Counter(
            "maskgate_inference_errors",
            "Calls to Triton that failed, by the reason that clients see.",
            ("model", "stage", "reason"),
            registry=registry,
        )
        self.sent_bytes = Counter(
            "maskgate_inference_sent_bytes",
            "Bytes of requests to Triton. `way` is `shared` where a request only names its embedding, `inline` where "
            "it carries its tensors.",
            ("stage", "way"),
            registry=registry,
        )
        self.together = Histogram(
            "maskgate_batch_prompts",
            "Prompts that went to the decoder of many prompts together. 1 is a long prompt.",
            buckets=PROMPTS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "maskgate_inference_in_flight",
            "Calls at Triton now.",
            ("stage",),
            registry=registry,
        )
        self.retries = Counter(
            "maskgate_retries",
            "Calls to Triton that failed in a way that a second attempt may mend: `recovered`, `failed` again, or "
            "`refused`, since the budget was spent. `stage` may be `describe`, too.",
            ("stage", "result"),
            registry=registry,
        )
        self.mismatched = Gauge(
            "maskgate_engine_mismatches",
            "Tritons that are left out now, since they serve another engine of a model (other weights, precision or "
            "preprocessing) than the one that says what it is. For a while that is a rollout; for longer, somebody has "
            "the wrong plan.",
            ("model",),
            registry=registry,
        )
        self.endpoint_in_flight = Gauge(
            "maskgate_endpoint_in_flight",
            "Calls at one of several Tritons now. `endpoint` is its number in `MASKGATE_TRITON_URL`, from 0.",
            ("endpoint",),
            registry=registry,
        )


class GenerationMetrics:
    """Everything in an image."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.prompts = Counter("maskgate_generation_prompts", "Points that generations decoded.", registry=registry)
        self.candidates = Counter(
            "maskgate_generation_candidates",
            "Masks that passed their filters, duplicates included.",
            registry=registry,
        )
        self.masks = Counter(
            "maskgate_generation_masks",
            "Masks in the results of those that came to their end.",
            registry=registry,
        )
        self.seconds = Histogram(
            "maskgate_generation_duration_seconds",
            "Time of those that came to their end, a slow client's included. How many did not, "
            '`maskgate_requests_total{method="GenerateMasks"}` tells.',
            buckets=LONG_SECONDS,
            registry=registry,
        )


class ComponentMetrics:
    """Components."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.up = Gauge(
            "maskgate_component_up",
            "1 while the gateway can reach a component: `triton`, without which it is not ready, `redis`, without "
            "which it only forgets faster, or `encoder`, if encoders are others than `triton`: without one it serves "
            "the images that were encoded before.",
            ("component",),
            registry=registry,
        )
