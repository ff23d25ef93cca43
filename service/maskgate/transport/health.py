"""One health object with named components drives gRPC health, /readyz and /livez."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from maskgate.domain.errors import MaskgateError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from prometheus_client import Gauge

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Component:
    """Something that the gateway depends on.

    Attributes:
        name: As it is shown.
        required: Whether the gateway is of no use without it. Redis is not: the gateway only forgets faster.
        up: Whether it could be reached the last time.
    """

    name: str
    required: bool
    up: bool = False


class Health:
    """Ready when every required component is up and the gateway is not shutting down. Starts unready."""

    def __init__(self) -> None:
        self._components: dict[str, Component] = {}
        self._stopping = False
        self._listeners: list[Callable[[bool], Awaitable[None]]] = []

    @property
    def ready(self) -> bool:
        """Whether calls can be answered."""
        needed = [component.up for component in self._components.values() if component.required]
        return bool(needed) and all(needed) and not self._stopping

    @property
    def stopping(self) -> bool:
        """Whether the gateway is shutting down."""
        return self._stopping

    @property
    def components(self) -> Mapping[str, Component]:
        """Every component by its name."""
        return self._components

    async def report(self, name: str, *, up: bool, required: bool) -> None:
        """Take note of a component."""
        before = self.ready
        self._components[name] = Component(name, required, up)
        await self._tell(before)

    async def stop(self) -> None:
        """Be unready for good: the first step of shutting down."""
        before = self.ready
        self._stopping = True
        await self._tell(before)

    async def on_change(self, listener: Callable[[bool], Awaitable[None]]) -> None:
        """Call a listener with the readiness as it is now, and with each new one."""
        self._listeners.append(listener)
        await listener(self.ready)

    async def _tell(self, before: bool) -> None:  # noqa: FBT001 - the value, not a switch
        if self.ready != before:
            for listener in self._listeners:
                await listener(self.ready)


@dataclass(frozen=True, slots=True)
class Probe:
    """How a component is asked whether it is up: `ping` raises a MaskgateError where it is not."""

    name: str
    required: bool
    ping: Callable[[], Awaitable[None]]


async def watch(health: Health, probes: Sequence[Probe], *, interval: float, gauge: Gauge) -> None:
    """Ask every component, again and again, until cancelled. Pings bring their own timeouts."""
    while True:
        await asyncio.gather(*(_ask(health, probe, gauge) for probe in probes))
        await asyncio.sleep(interval)


async def _ask(health: Health, probe: Probe, gauge: Gauge) -> None:
    try:
        await probe.ping()
    except MaskgateError as error:
        await _note(health, probe, up=False, gauge=gauge, why=str(error))
    except Exception as error:  # noqa: BLE001 - the outermost handler of a task that must not end in silence
        _log.exception("probe.failed", component=probe.name)
        await _note(health, probe, up=False, gauge=gauge, why=type(error).__name__)
    else:
        await _note(health, probe, up=True, gauge=gauge, why="")


async def _note(health: Health, probe: Probe, *, up: bool, gauge: Gauge, why: str) -> None:
    known = health.components.get(probe.name)
    if known is None or known.up != up:
        _log.log(20 if up else 30, "component.up" if up else "component.down", component=probe.name, error=why)
    gauge.labels(probe.name).set(up)
    await health.report(probe.name, up=up, required=probe.required)
