"""The composition root: settings → adapters → use cases → transports, and in reverse on the way out."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector

from maskgate.bootstrap.adapters import open_adapters
from maskgate.bootstrap.failures import CannotServeError
from maskgate.bootstrap.ports import reserved_ports
from maskgate.bootstrap.servers import Gateway, Watchers, authority, open_servers
from maskgate.bootstrap.shares import share_of
from maskgate.bootstrap.shelf import clear_up
from maskgate.bootstrap.tracing import open_tracing
from maskgate.bootstrap.usecases import open_usecases
from maskgate.telemetry import Metrics
from maskgate.transport.exposition import Siblings, exposition_of
from maskgate.transport.generations import CountedGenerations
from maskgate.transport.health import Health, watch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from maskgate.settings import Settings
    from maskgate.transport.exposition import Exposition
    from maskgate.transport.health import Probe
    from maskgate.transport.usecases import UseCases

__all__ = [
    "CannotServeError",
    "Gateway",
    "Place",
    "authority",
    "clear_up",
    "open_gateway",
    "reserved_ports",
    "share_of",
]


@dataclass(frozen=True, slots=True)
class Place:
    """Which of a gateway's workers this process is, from 0, of how many, and the private folder where they meet."""

    number: int
    workers: int
    directory: Path


@asynccontextmanager
async def open_gateway(settings: Settings, place: Place | None = None) -> AsyncIterator[Gateway]:
    """Open a gateway, or a worker of one.

    On leaving it is unready first, ends the calls under way, then closes what they needed.

    Raises:
        CannotServeError: An address is taken or is not this machine's, or the files of TLS are of no use.
    """
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    async with (
        _exposed(registry, place) as exposition,
        _gateway(settings, Watchers(exposition, Metrics(registry), Health())) as gateway,
    ):
        yield gateway


@asynccontextmanager
async def _exposed(registry: CollectorRegistry, place: Place | None) -> AsyncIterator[Exposition]:
    if place is None:
        yield exposition_of(registry)
        return
    siblings = Siblings(place.directory, number=place.number, workers=place.workers, registry=registry)
    async with siblings.answering():
        yield siblings.expose


@asynccontextmanager
async def _gateway(settings: Settings, watchers: Watchers) -> AsyncIterator[Gateway]:
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
