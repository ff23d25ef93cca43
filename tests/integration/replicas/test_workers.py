"""One gateway of four processes, before the real Triton."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest

from maskgate.client import Client
from maskgate.transport.grpc._pb import segmentation_pb2 as pb
from maskgate.transport.grpc._pb.segmentation_pb2_grpc import SegmentationServiceStub
from tests.e2e import photos
from tests.integration.replicas.gateways import START_SECONDS, replicas, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maskgate.stack import EmbeddedStack
    from tests.integration.replicas.gateways import Replica

pytestmark = pytest.mark.slow

WORKERS = 4
CLIENTS = 40  # that one of the workers gets none of their connections: 1 in 25,000
OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0))


@pytest.fixture
def gateway(stack: EmbeddedStack) -> Iterator[Replica]:
    with replicas(stack, 1, environment={}, workers=WORKERS) as (running,):
        wait_until(lambda: "REST http" in running.process.log_tail(), seconds=START_SECONDS)
        yield running


def workers(gateway: Replica) -> set[int]:
    children = Path(f"/proc/{gateway.process.pid}/task/{gateway.process.pid}/children").read_text()
    return set(map(int, children.split()))


def segments(stack: EmbeddedStack) -> set[str]:
    prefix = Path(stack.endpoints.redis.removeprefix("unix://")).parent.name
    return {path.name for path in Path("/dev/shm").glob(f"{prefix}-slab-*")}


def upload(gateway: Replica) -> str:
    with Client(str(gateway.endpoints.grpc)) as client:
        return str(client.image(photos.fresh("cat")).id)


def answered(gateway: Replica) -> float:
    return gateway.sample("maskgate_requests_total", method="Segment", code="OK")


@dataclass
class Crowd:
    """Clients with a connection each, who click without a pause."""

    address: str
    image_id: str
    ok: int = 0
    failed: list[grpc.StatusCode] = field(default_factory=list)

    async def click(self, *, times: int) -> None:
        """Let each click so many times."""
        async with AsyncExitStack() as channels:
            await asyncio.gather(
                *[
                    self._one(
                        await channels.enter_async_context(
                            grpc.aio.insecure_channel(self.address, options=OWN_CONNECTION)
                        ),
                        times,
                    )
                    for _ in range(CLIENTS)
                ]
            )

    async def _one(self, channel: grpc.aio.Channel, times: int) -> None:
        stub = SegmentationServiceStub(channel)  # type: ignore[no-untyped-call]
        for _ in range(times):
            try:
                await stub.Segment(
                    pb.SegmentRequest(image_id=self.image_id, points=[pb.Point(x=160, y=180)]),
                    timeout=60,
                    wait_for_ready=True,  # a connection that is being made again is no call in anybody's hands
                )
            except grpc.aio.AioRpcError as error:
                self.failed.append(error.code())
            else:
                self.ok += 1


def told_by_each(stack: EmbeddedStack) -> list[bool]:
    """Whether each worker has answered clicks, by what it has told its siblings."""
    folder = Path(stack.endpoints.redis.removeprefix("unix://")).parent
    line = 'maskgate_requests_total{code="OK",method="Segment",protocol="grpc"} '
    files = folder.glob("maskgate-workers-*/*.prom")
    return [
        any(it.startswith(line) and float(it.split()[-1]) > 0 for it in file.read_text().splitlines()) for file in files
    ]


def test_all_workers_answer(stack: EmbeddedStack, gateway: Replica) -> None:
    """Connections are spread over them, each has a slab, and what any tells is the sum of what all have done."""
    crowd = Crowd(str(gateway.endpoints.grpc), upload(gateway))

    asyncio.run(crowd.click(times=3))

    assert (3 * CLIENTS, []) == (crowd.ok, crowd.failed)
    assert [3 * CLIENTS] * 5 == [answered(gateway) for _ in range(5)]
    assert [True] * WORKERS == told_by_each(stack)
    assert WORKERS == len(segments(stack)) == len(workers(gateway))


def test_a_worker_that_is_killed(stack: EmbeddedStack, gateway: Replica) -> None:
    """Nothing fails but the calls in its hands; another takes its place, and totals never go down."""
    crowd = Crowd(str(gateway.endpoints.grpc), upload(gateway))
    before, victim = workers(gateway), min(workers(gateway))
    asyncio.run(crowd.click(times=2))
    told = answered(gateway)

    async def kill_under_load() -> None:
        clicking = asyncio.create_task(crowd.click(times=8))
        await asyncio.to_thread(wait_until, lambda: crowd.ok > 4 * CLIENTS)
        os.kill(victim, signal.SIGKILL)
        await clicking

    asyncio.run(kill_under_load())

    assert 10 * CLIENTS == crowd.ok + len(crowd.failed)
    assert len(crowd.failed) <= CLIENTS // 2
    assert set(crowd.failed) <= {grpc.StatusCode.UNAVAILABLE}
    wait_until(lambda: len(workers(gateway) - {victim}) == WORKERS, seconds=START_SECONDS)
    assert before - {victim} < workers(gateway)
    wait_until(lambda: len(segments(stack)) == WORKERS)
    assert told <= answered(gateway) <= crowd.ok


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_parents_end_is_its_workers_end(stack: EmbeddedStack, gateway: Replica, number: signal.Signals) -> None:
    """Asked or killed: calls under way are answered, and no process, segment or folder is left."""
    crowd, running = Crowd(str(gateway.endpoints.grpc), upload(gateway)), workers(gateway)
    folder = Path(stack.endpoints.redis.removeprefix("unix://")).parent

    async def end_under_load() -> None:
        clicking = asyncio.create_task(crowd.click(times=1))
        await asyncio.to_thread(wait_until, lambda: gateway.sample("maskgate_requests_in_flight", protocol="grpc") > 0)
        os.kill(gateway.process.pid, number)
        await clicking

    asyncio.run(end_under_load())

    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in running), seconds=START_SECONDS)
    assert (CLIENTS, set()) == (crowd.ok, segments(stack))
    assert [] == list(folder.glob("maskgate-workers-*"))
