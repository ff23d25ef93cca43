"""Counts who is let in, who is not, and who had to wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskgate.ports import Refusal

if TYPE_CHECKING:
    from maskgate.telemetry import AdmissionMetrics


class CountedAdmissions:
    """An AdmissionWatcher that counts; the counters of a tier are exposed from when it is opened."""

    def __init__(self, metrics: AdmissionMetrics) -> None:
        self._metrics = metrics

    def opened(self, tier: str) -> None:
        """See AdmissionWatcher."""
        self._metrics.queue_seconds.labels(tier)
        for why in Refusal:
            self._metrics.rejections.labels(tier, why)

    def admitted(self, tier: str, *, waited: float) -> None:
        """See AdmissionWatcher."""
        self._metrics.queue_seconds.labels(tier).observe(waited)

    def refused(self, tier: str, why: Refusal) -> None:
        """See AdmissionWatcher."""
        self._metrics.rejections.labels(tier, why).inc()
