"""Several gateways, each `maskgate serve` in a process of its own, on one Valkey and one Triton."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import httpx
from prometheus_client.parser import text_string_to_metric_families

from maskgate.stack import EmbeddedStack, StackConfig
from maskgate.stack.child import Child
from maskgate.stack.gateway import gateway_component
from maskgate.stack.plan import create_endpoints, with_chosen_ports
from maskgate.transport.grpc._pb import segmentation_pb2 as pb
from maskgate.transport.grpc._pb.segmentation_pb2_grpc import SegmentationServiceStub

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from maskgate.stack import Endpoints

START_SECONDS = 60.0
WAIT_SECONDS = 15.0
POLL_SECONDS = 0.01


@dataclass(frozen=True)
class Replica:
    """A gateway among others."""

    process: Child
    endpoints: Endpoints

    def kill(self) -> None:
        """End it as a crash does: nothing is released, nobody is told."""
        os.kill(self.process.pid, signal.SIGKILL)

    def sample(self, name: str, **labels: str) -> float:
        """A figure of its metrics."""
        return sample(f"{self.endpoints.http}/metrics", name, **labels)


def sample(url: str, name: str, **labels: str) -> float:
    text = httpx.get(url, trust_env=False, timeout=WAIT_SECONDS).text
    samples = [each for family in text_string_to_metric_families(text) for each in family.samples if each.name == name]
    return sum(each.value for each in samples if labels.items() <= each.labels.items())


@contextmanager
def replicas(
    stack: EmbeddedStack, count: int, *, environment: dict[str, str], workers: int = 1
) -> Iterator[list[Replica]]:
    """Runs so many gateways beside each other, each of so many processes."""
    started = []
    with ExitStack() as running:
        for number in range(count):
            started.append(_start(stack, number, environment, workers))
            running.callback(started[-1].process.stop)
        for replica in started:
            wait_until(replica.process.component.is_ready, seconds=START_SECONDS)
        yield started


def _start(stack: EmbeddedStack, number: int, environment: dict[str, str], workers: int) -> Replica:
    folder = Path(stack.endpoints.redis.removeprefix("unix://")).parent
    config = with_chosen_ports(
        StackConfig(
            triton_url=stack.endpoints.triton_grpc,
            redis_url=stack.endpoints.redis,
            grpc_port=0,
            http_port=0,
            workers=workers,
        )
    )
    endpoints = create_endpoints(config, run_directory=folder)
    component = gateway_component(config, endpoints, shared_memory_prefix=folder.name)
    component = replace(component, name=f"gateway{number}", environment=environment)
    return Replica(Child(component, run_directory=folder), endpoints)


def wait_until(condition: Callable[[], bool], *, seconds: float = WAIT_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(POLL_SECONDS)


async def click_at_once(gateways: Sequence[Replica], image_id: str, *, clicks: int) -> list[pb.SegmentResponse]:
    """Click on an image, on all gateways in turn; as behind a load balancer, on the next one where one has gone."""
    async with AsyncChannels(gateways) as stubs:
        return await asyncio.gather(
            *(_click(list(islice(cycle(stubs), number, number + len(stubs))), image_id) for number in range(clicks))
        )


async def _click(stubs: Sequence[SegmentationServiceStub], image_id: str) -> pb.SegmentResponse:
    request = pb.SegmentRequest(image_id=image_id, points=[pb.Point(x=160, y=180)])
    for stub in stubs[:-1]:
        try:
            return await stub.Segment(request, timeout=60)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
    return await stubs[-1].Segment(request, timeout=60)


class AsyncChannels:
    """A connection to each gateway."""

    def __init__(self, gateways: Sequence[Replica]) -> None:
        self._channels = [grpc.aio.insecure_channel(str(gateway.endpoints.grpc)) for gateway in gateways]

    async def __aenter__(self) -> list[SegmentationServiceStub]:
        return [SegmentationServiceStub(channel) for channel in self._channels]  # type: ignore[no-untyped-call]

    async def __aexit__(self, *_: object) -> None:
        for channel in self._channels:
            await channel.close()
