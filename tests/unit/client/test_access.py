from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

import grpc
import pytest

from maskgate.bootstrap.tenants import Tenants
from maskgate.client import AsyncClient, Client, KeyInTheClearError, Tls, errors
from maskgate.client._access import SILENT_SECONDS, Access
from maskgate.client._gateway import Gateway
from maskgate.domain.api_key import ApiKey
from maskgate.domain.tenant import Tenant
from maskgate.transport.grpc._pb import segmentation_pb2 as pb
from maskgate.transport.grpc.server import LEAST_PING_MS
from tests import pictures
from tests.certificates import Authority
from tests.fakes import FakeGrants, FakeKeys
from tests.unit.client.conftest import serving
from tests.unit.transport.world import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

KEY = str(ApiKey("acme0000", "s" * 43))


async def test_the_key_goes_along() -> None:
    """A gateway with keys takes calls of every kind with one, and none without."""
    world = World(tenants=Tenants(FakeKeys({KEY: Tenant("acme")}), FakeGrants()))
    async with serving(world) as served, AsyncClient(served.address, api_key=KEY) as client:
        image = await client.image(pictures.png(40, 30))
        answer = await image.segment(points=[(5, 5)])
        await image.encode()
        async with AsyncClient(served.address) as stranger:
            with pytest.raises(errors.Unauthenticated):
                await stranger.models()

    assert answer.best.area > 0


@pytest.mark.parametrize(
    "address",
    ["gateway:50051", "10.0.0.7:50051", "0.0.0.0:50051", "[2001:db8::7]:50051", "localhost.example.com:443", ""],
)
def test_a_key_does_not_go_in_the_clear(address: str) -> None:
    """To another machine than this one a key goes over TLS, or where somebody has said that it may."""
    with pytest.raises(KeyInTheClearError, match="in the clear") as refusal:
        AsyncClient(address, api_key=KEY)
    with pytest.raises(KeyInTheClearError):
        Client(address, api_key=KEY)

    assert address in str(refusal.value)
    assert KEY not in str(refusal.value)
    for kept in (AsyncClient(address), AsyncClient(address, api_key=KEY, tls=True)):
        assert kept is not None
    assert AsyncClient(address, api_key=KEY, insecure=True) is not None


@pytest.mark.parametrize(
    "address", ["127.0.0.1:50051", "127.8.8.8:1", "[::1]:50051", "LocalHost:1", "unix:/run/g.sock"]
)
def test_a_key_stays_on_this_machine(address: str) -> None:
    """Nobody else listens on the loopback, nor at a file."""
    assert AsyncClient(address, api_key=KEY) is not None


async def test_a_gateway_that_falls_silent_is_given_up(world: World) -> None:
    """A call that waits for an answer notices that nobody is there any more: a host that vanished closes nothing."""
    image_id = str(await world.keep(pictures.png(40, 30)))
    never = asyncio.Event()

    async def messages() -> AsyncIterator[pb.SegmentStreamRequest]:
        yield pb.SegmentStreamRequest(target=pb.StreamTarget(image_id=image_id))
        await never.wait()

    async with serving(world) as served, between(served.address) as way:
        gateway = Gateway(Access(way.address, None, None, seconds=60, attempts=1, silent_seconds=0.3))
        async with aclosing(gateway.listen(gateway.segmentation.SegmentStream, messages())) as responses:
            assert 0 == (await anext(responses)).sequence
            way.there = False
            with pytest.raises(errors.Unavailable):
                await asyncio.wait_for(anext(responses), 10)
        await gateway.close()


def test_a_gateway_may_be_asked_whether_it_is_there() -> None:
    """It would send clients away that ask more often than it lets them."""
    assert SILENT_SECONDS * 1000 >= LEAST_PING_MS


async def test_each_client_has_a_connection(world: World) -> None:
    """Clients of one process do not share one: connections are what is spread over workers and gateways."""
    async with (
        serving(world) as served,
        between(served.address) as way,
        AsyncClient(way.address) as one,
        AsyncClient(way.address) as other,
    ):
        await asyncio.gather(one.models(), one.models(), other.models())

    assert 2 == way.connections


class Way:
    """A way to an address that passes connections on, until it is told to vanish: then nothing, and closes none.

    Attributes:
        address: Where it begins.
        connections: How many there were.
        there: Whether anything is passed on.
    """

    def __init__(self, end: str) -> None:
        self._host, _, self._port = end.rpartition(":")
        self._tasks: list[asyncio.Task[None]] = []
        self.address = ""
        self.connections = 0
        self.there = True

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        behind, before = await asyncio.open_connection(self._host, int(self._port))
        ends = ((reader, before), (behind, writer))
        tasks = [asyncio.create_task(self._pump(*pair)) for pair in ends]
        self._tasks += tasks
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for end in (before, writer):
            end.close()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            if self.there:
                sink.write(data)

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()


@asynccontextmanager
async def between(end: str) -> AsyncIterator[Way]:
    way = Way(end)
    server = await asyncio.start_server(way.connected, "127.0.0.1", 0)
    way.address = "{}:{}".format(*server.sockets[0].getsockname())
    try:
        yield way
    finally:
        way.close()
        server.close()
        await server.wait_closed()


async def test_both_sides_prove_who_they_are(tmp_path: Path) -> None:
    """With its authority a gateway is trusted, and takes a client with a certificate; others do not come together."""
    authority = Authority("ours", tmp_path)
    gateway, mine = authority.issue("gateway"), authority.issue("mine")
    credentials = grpc.ssl_server_credentials(
        [(gateway.key.read_bytes(), gateway.cert.read_bytes())], authority.cert.read_bytes(), require_client_auth=True
    )
    trusted = Tls(ca=authority.cert, certificate=mine.cert, key=mine.key)
    async with serving(World(), credentials) as served:
        async with AsyncClient(served.address, tls=trusted) as client:
            assert await client.models()
        for tls in (False, True, Tls(ca=authority.cert)):
            async with AsyncClient(served.address, tls=tls, attempts=1) as stranger:
                with pytest.raises(errors.Unavailable):
                    await stranger.models()
