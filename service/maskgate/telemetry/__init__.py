"""What operators see: metrics, one module a subject, and the shape of the logs.

docs/metrics.md is made from the groups of metrics: their docstrings are its prose, their help texts its meanings.
"""

from maskgate.telemetry.caches import CacheMetrics, FlightMetrics, MaskMetrics, SlabMetrics
from maskgate.telemetry.calls import AdmissionMetrics, CallMetrics, EmbeddingMetrics, StreamMetrics, TenantMetrics
from maskgate.telemetry.logs import configure_logging
from maskgate.telemetry.metrics import Metrics
from maskgate.telemetry.work import ComponentMetrics, GenerationMetrics, ImageMetrics, InferenceMetrics, RenderMetrics

__all__ = [
    "AdmissionMetrics",
    "CacheMetrics",
    "CallMetrics",
    "ComponentMetrics",
    "EmbeddingMetrics",
    "FlightMetrics",
    "GenerationMetrics",
    "ImageMetrics",
    "InferenceMetrics",
    "MaskMetrics",
    "Metrics",
    "RenderMetrics",
    "SlabMetrics",
    "StreamMetrics",
    "TenantMetrics",
    "configure_logging",
]
