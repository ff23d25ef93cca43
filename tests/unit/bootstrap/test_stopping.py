"""What clients and balancers see of gateways that stop, and of gateways that are added."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import cycle
from typing import TYPE_CHECKING, Any

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from maskgate.bootstrap.servers import Gateway, Watchers, open_servers
from maskgate.settings import Settings
from maskgate.transport.exposition import exposition_of
from maskgate.transport.grpc._pb import models_pb2
from maskgate.transport.grpc._pb.models_pb2_grpc import ModelServiceStub
from tests.unit.transport.world import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

LOOPBACK = "127.0.0.1"
OPTIONS = (("grpc.enable_http_proxy", 0),)
LONG = 600.0
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVING = health_pb2.HealthCheckResponse.SERVING


@asynccontextmanager
async def gateway(world: World, **given: Any) -> AsyncIterator[Gateway]:  # noqa: ANN401 - settings
    settings = Settings(**{"grpc_port": 0, "http_port": 0, "drain_seconds": 0, **given})
    watchers = Watchers(exposition_of(world.registry), world.metrics, world.health)
    async with open_servers(settings, world.usecases, watchers) as opened:
        yield opened


@asynccontextmanager
async def stopping(world: World) -> AsyncIterator[Gateway]:
    """A gateway in the time between being told to stop and stopping."""
    async with AsyncExitStack() as running:
        opened = await running.enter_async_context(gateway(world, stop_delay_seconds=LONG))
        leaving = asyncio.create_task(running.pop_all().aclose())
        while not world.health.stopping:  # noqa: ASYNC110 - of a gateway that was not ready nobody is told
            await asyncio.sleep(0)
        yield opened
        leaving.cancel()
        await asyncio.wait([leaving])


@pytest.fixture
async def world() -> World:
    world = World()
    await world.health.report("triton", up=True, required=True)
    return world


async def test_balancers_are_told_first(world: World) -> None:
    """A gateway that is asked to stop is unready on both ports, and takes new connections and answers as before."""
    async with (
        stopping(world) as opened,
        grpc.aio.insecure_channel(f"{LOOPBACK}:{opened.grpc_port}", options=OPTIONS) as channel,
        httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{opened.http_port}", trust_env=False) as rest,
    ):
        health: Any = health_pb2_grpc.HealthStub(channel)
        told = await health.Check(health_pb2.HealthCheckRequest())
        listed = await ModelServiceStub(channel).ListModels(models_pb2.ListModelsRequest())  # type: ignore[no-untyped-call]

        assert (NOT_SERVING, 503) == (told.status, (await rest.get("/readyz")).status_code)
        assert 1 == len(listed.models) == len((await rest.get("/v1/models")).json()["models"])


async def test_clients_of_rest_are_sent_elsewhere(world: World) -> None:
    """What a gateway that stops answers over HTTP ends the connection: the next one leads to another gateway."""
    async with gateway(world) as opened, stopping(World()) as leaving, httpx.AsyncClient(trust_env=False) as rest:
        stays, goes = [await rest.get(f"http://{LOOPBACK}:{each.http_port}/livez") for each in (opened, leaving)]

    assert (None, "close") == (stays.headers.get("connection"), goes.headers.get("connection"))


# A balancer that knows connections only, as a Service of Kubernetes does


class Balancer:
    """Hands each new connection to the next of its gateways."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = cycle(ports)

    async def __aenter__(self) -> int:
        self._server = await asyncio.start_server(self._connected, LOOPBACK, 0)
        self._tasks = asyncio.TaskGroup()
        await self._tasks.__aenter__()
        return int(self._server.sockets[0].getsockname()[1])

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._tasks.__aexit__(None, None, None)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        their_reader, their_writer = await asyncio.open_connection(LOOPBACK, next(self._ports))
        self._tasks.create_task(_copy(reader, their_writer))
        self._tasks.create_task(_copy(their_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
    except ConnectionError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def clicks_over_grpc(port: int) -> AsyncIterator[Callable[[], Awaitable[object]]]:
    async with grpc.aio.insecure_channel(f"{LOOPBACK}:{port}", options=OPTIONS) as channel:
        stub = ModelServiceStub(channel)  # type: ignore[no-untyped-call] # generated
        yield lambda: stub.ListModels(models_pb2.ListModelsRequest(), timeout=LONG)


@asynccontextmanager
async def clicks_over_rest(port: int) -> AsyncIterator[Callable[[], Awaitable[object]]]:
    async def ask() -> None:
        (await client.get("/v1/models")).raise_for_status()

    async with httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{port}", trust_env=False) as client:
        yield ask


CLIENTS = {"grpc": (clicks_over_grpc, "grpc_port"), "rest": (clicks_over_rest, "http_port")}


def answered(world: World, protocol: str) -> float:
    labels = {"protocol": protocol, "method": "ListModels", "code": "OK"}
    return world.registry.get_sample_value("maskgate_requests_total", labels) or 0.0


@pytest.mark.parametrize("protocol", CLIENTS)
async def test_gateways_that_are_added_get_calls(protocol: str) -> None:
    """A client that never stops calling is led on when its connection is old, and none of its calls fails."""
    (client, port_of), worlds = CLIENTS[protocol], (World(), World())
    async with AsyncExitStack() as running, asyncio.timeout(30):
        gateways = [await running.enter_async_context(gateway(it, connection_age_seconds=0.1)) for it in worlds]
        balanced = await running.enter_async_context(Balancer([getattr(it, port_of) for it in gateways]))
        click = await running.enter_async_context(client(balanced))
        asked = 0
        while not all(answered(it, protocol) for it in worlds):
            await click()
            asked += 1
        told = [answered(it, protocol) for it in worlds]

    assert asked == sum(told) > 2
    assert told[0] > 1


@pytest.mark.slow
async def test_silent_connections_may_be_probed() -> None:
    """A client that makes sure of a silent connection every second is not taken for an attacker."""
    options = (*OPTIONS, ("grpc.keepalive_time_ms", 1100), ("grpc.http2.max_pings_without_data", 0))
    async with (
        gateway(World()) as opened,
        grpc.aio.insecure_channel(f"{LOOPBACK}:{opened.grpc_port}", options=options) as channel,
    ):
        stub: Any = health_pb2_grpc.HealthStub(channel)
        watching = stub.Watch(health_pb2.HealthCheckRequest())
        await watching.read()
        silence = asyncio.create_task(watching.read())

        assert set() == (await asyncio.wait([silence], timeout=6))[0]
        silence.cancel()
