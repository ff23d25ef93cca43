from __future__ import annotations

import asyncio
from typing import Self

import pytest
from prometheus_client import CollectorRegistry, Gauge

from maskgate.domain.errors import BackendUnavailable
from maskgate.transport.health import Component, Health, Probe, watch


class Pinged:
    """A component that is up or down as the test says."""

    def __init__(self, *, up: bool) -> None:
        self.up = up
        self.asked = asyncio.Event()

    async def __call__(self) -> None:
        self.asked.set()
        if not self.up:
            raise BackendUnavailable("away")


class Watching:
    """A watch over Triton (required) and Redis (not), with short intervals."""

    def __init__(self) -> None:
        self.health = Health()
        self.triton, self.redis = Pinged(up=True), Pinged(up=True)
        self.registry = CollectorRegistry()
        self._gauge = Gauge("up", "Whether it is.", ("component",), registry=self.registry)

    async def __aenter__(self) -> Self:
        probes = (Probe("triton", required=True, ping=self.triton), Probe("redis", required=False, ping=self.redis))
        self._task = asyncio.create_task(watch(self.health, probes, interval=0.001, gauge=self._gauge))
        await self.look_twice()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    async def look_twice(self) -> None:
        for _ in range(2):
            self.triton.asked.clear()
            await self.triton.asked.wait()

    def gauge(self, component: str) -> float | None:
        return self.registry.get_sample_value("up", {"component": component})


def test_unready_before_anything_is_known() -> None:
    """A gateway that has not reached Triton yet does not promise to answer."""
    assert not Health().ready


async def test_unready_while_only_the_optional_is_known() -> None:
    """Redis alone makes no gateway ready."""
    health = Health()

    await health.report("redis", up=True, required=False)

    assert not health.ready


@pytest.mark.parametrize(
    ("triton", "redis", "ready"),
    [(True, True, True), (True, False, True), (False, True, False), (False, False, False)],
)
async def test_only_the_required_decides(triton: bool, redis: bool, ready: bool) -> None:  # noqa: FBT001
    """The gateway is ready exactly when all that it cannot do without is up."""
    health = Health()

    await health.report("triton", up=triton, required=True)
    await health.report("redis", up=redis, required=False)

    assert ready == health.ready


async def test_stopping_is_for_good() -> None:
    """Whatever is reported while shutting down, the gateway is unready."""
    health = Health()
    await health.report("triton", up=True, required=True)

    await health.stop()
    await health.report("triton", up=True, required=True)

    assert not health.ready


async def test_listeners_hear_changes_and_nothing_else() -> None:
    """A listener is told the readiness at once and whenever it changes, not with every report."""
    health, heard = Health(), list[bool]()

    async def listener(ready: bool) -> None:  # noqa: FBT001
        heard.append(ready)

    await health.on_change(listener)
    for up in (True, True, False, False, True):
        await health.report("triton", up=up, required=True)
    await health.stop()
    await health.stop()

    assert [False, True, False, True, False] == heard


async def test_watching_follows_the_components() -> None:
    """Components are asked again and again; what they answer is health and metric."""
    async with Watching() as watching:
        ready = [watching.health.ready]
        watching.triton.up = watching.redis.up = False
        await watching.look_twice()
        ready.append(watching.health.ready)
        down = dict(watching.health.components)
        gauges = [watching.gauge("triton"), watching.gauge("redis")]
        watching.triton.up = True
        await watching.look_twice()
        ready.append(watching.health.ready)

    assert [True, False, True] == ready
    assert {"triton": Component("triton", required=True), "redis": Component("redis", required=False)} == down
    assert [0, 0] == gauges
    assert [1, 0] == [watching.gauge("triton"), watching.gauge("redis")]
