"""Settings → what keeps spans: nothing, unless somebody is there to take them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING

from maskgate.adapters.traced import (
    TracedBackend,
    TracedCache,
    TracedDecoder,
    TracedLocks,
    TracedMasks,
    TracedOffload,
    TracedStore,
)
from maskgate.bootstrap.failures import CannotServeError
from maskgate.telemetry.tracing import Untraced

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from maskgate.adapters.near import SharedImageStore
    from maskgate.ports import (
        EmbeddingCache,
        EncodeLocks,
        ImageDecoder,
        InferenceBackend,
        MaskShelf,
        Offload,
    )
    from maskgate.settings import Settings
    from maskgate.telemetry.tracing import Tracer


class CannotTraceError(CannotServeError):
    """Traces are wanted, and what keeps them is not installed."""


@dataclass(frozen=True, slots=True)
class Tracing:
    """Wraps adapters where traces are kept, and leaves them as they are elsewhere."""

    tracer: Tracer = field(default_factory=Untraced)
    kept: bool = False

    def cache(self, inner: EmbeddingCache) -> EmbeddingCache:
        """Wrap what shares embeddings."""
        return TracedCache(inner, self.tracer) if self.kept else inner

    def locks(self, inner: EncodeLocks) -> EncodeLocks:
        """Wrap what lets one gateway at a time encode."""
        return TracedLocks(inner, self.tracer) if self.kept else inner

    def store(self, inner: SharedImageStore) -> SharedImageStore:
        """Wrap what shares images."""
        return TracedStore(inner, self.tracer) if self.kept else inner

    def masks(self, inner: MaskShelf) -> MaskShelf:
        """Wrap what shares masks."""
        return TracedMasks(inner, self.tracer) if self.kept else inner

    def backend(self, inner: InferenceBackend) -> InferenceBackend:
        """Wrap what runs the models."""
        return TracedBackend(inner, self.tracer) if self.kept else inner

    def decoder(self, inner: ImageDecoder) -> ImageDecoder:
        """Wrap what reads images."""
        return TracedDecoder(inner, self.tracer) if self.kept else inner

    def offload(self, inner: Offload, *, name: str) -> Offload:
        """Wrap computations that are to have a name."""
        return TracedOffload(inner, self.tracer, name=name) if self.kept else inner


@asynccontextmanager
async def open_tracing(settings: Settings) -> AsyncIterator[Tracing]:
    """Open what keeps spans; on leaving, the last ones are sent.

    Raises:
        CannotTraceError: The extra `otel` is not installed.
    """
    if not settings.otlp_endpoint:
        yield Tracing()
        return
    try:
        from maskgate.telemetry.otel import OtelTracer, create_provider  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        raise CannotTraceError("--otlp-endpoint needs more to be installed: pip install 'maskgate[otel]'") from error
    provider = create_provider(settings.otlp_endpoint, ratio=settings.trace_ratio, version=version("maskgate"))
    try:
        yield Tracing(OtelTracer(provider), kept=True)
    finally:
        await asyncio.to_thread(provider.shutdown)  # sends what is left, within the exporter's timeout
