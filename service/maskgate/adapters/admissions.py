"""Counts who is let in, who is not, and who has to wait."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

from maskgate.ports import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from maskgate.domain.embedding import EmbeddingKey
    from maskgate.telemetry import AdmissionMetrics, EmbeddingMetrics


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


class CountedEmbeddings:
    """An EmbeddingWatcher that counts: who waits, one by one, and what for, however many want it."""

    def __init__(self, metrics: EmbeddingMetrics) -> None:
        self._waiting = metrics.waiting
        self._pending: Counter[EmbeddingKey] = Counter()
        metrics.pending.set_function(lambda: len(self._pending))

    def awaited(self) -> AbstractContextManager[None]:
        """See EmbeddingWatcher."""
        return self._waiting.track_inprogress()

    @contextmanager
    def pending(self, key: EmbeddingKey) -> Iterator[None]:
        """See EmbeddingWatcher."""
        self._pending[key] += 1
        try:
            yield
        finally:
            self._pending[key] -= 1
            if not self._pending[key]:
                del self._pending[key]
