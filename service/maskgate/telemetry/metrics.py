"""Every metric of the gateway: one group a subject, each a section of docs/metrics.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskgate.telemetry.caches import CacheMetrics, FlightMetrics, MaskMetrics, SlabMetrics
from maskgate.telemetry.calls import AdmissionMetrics, CallMetrics, EmbeddingMetrics, StreamMetrics, TenantMetrics
from maskgate.telemetry.work import ComponentMetrics, GenerationMetrics, ImageMetrics, InferenceMetrics, RenderMetrics

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class Metrics:
    """The gateway's metrics on an injected registry; the groups are in the order of the page."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.calls = CallMetrics(registry)
        self.admissions = AdmissionMetrics(registry)
        self.embeddings = EmbeddingMetrics(registry)
        self.streams = StreamMetrics(registry)
        self.tenants = TenantMetrics(registry)
        self.cache = CacheMetrics(registry)
        self.masks = MaskMetrics(registry)
        self.flights = FlightMetrics(registry)
        self.slab = SlabMetrics(registry)
        self.images = ImageMetrics(registry)
        self.inference = InferenceMetrics(registry)
        self.renders = RenderMetrics(registry)
        self.generations = GenerationMetrics(registry)
        self.components = ComponentMetrics(registry)
