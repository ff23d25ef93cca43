"""The metrics of this process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from prometheus_client import generate_latest

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

Exposition = Callable[[], Awaitable[bytes]]
"""Returns the metrics in Prometheus' text format 0.0.4."""


def exposition_of(registry: CollectorRegistry) -> Exposition:
    """Expose a registry."""

    async def expose() -> bytes:
        return generate_latest(registry)

    return expose
