"""The composition root: settings → adapters → use cases → transports, and in reverse on the way out."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector

from maskgate.bootstrap.adapters import open_adapters
from maskgate.bootstrap.failures import CannotServeError
from maskgate.bootstrap.servers import Gateway, Watchers, authority, open_servers
from maskgate.bootstrap.tracing import open_tracing
from maskgate.bootstrap.usecases import open_usecases
from maskgate.telemetry import Metrics
from maskgate.transport.generations import CountedGenerations
from maskgate.transport.health import Health, watch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from maskgate.settings import Settings
    from maskgate.transport.health import Probe
    from maskgate.transport.usecases import UseCases

__all__ = ["CannotServeError", "Gateway", "authority", "open_gateway"]


@asynccontextmanager
async def open_gateway(settings: Settings) -> AsyncIterator[Gateway]:
    """Open a gateway; on leaving it is unready first, ends the calls under way, then closes what they needed.

    Raises:
        CannotServeError: An address is taken or is not this machine's, or the files of TLS are of no use.
    """
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    watchers = Watchers(registry, Metrics(registry), Health())
    async with (
        open_tracing(settings) as tracing,
        open_adapters(settings, watchers.metrics, tracing) as adapters,
        open_usecases(settings, adapters.ports) as usecases,
        open_servers(settings, _counted(usecases, watchers), replace(watchers, tracer=tracing.tracer)) as gateway,
        _watched(settings, adapters.probes, watchers),
    ):
        yield gateway


def _counted(usecases: UseCases, watchers: Watchers) -> UseCases:
    counted = CountedGenerations(usecases.generate_masks, metrics=watchers.metrics.generations)
    return replace(usecases, generate_masks=counted)


@asynccontextmanager
async def _watched(settings: Settings, probes: Sequence[Probe], watchers: Watchers) -> AsyncIterator[None]:
    gauge, interval = watchers.metrics.components.up, settings.probe_interval_seconds
    watching = asyncio.create_task(watch(watchers.health, probes, interval=interval, gauge=gauge), name="health")
    try:
        yield
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
