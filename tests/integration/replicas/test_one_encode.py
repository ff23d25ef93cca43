"""However many gateways there are, an image is encoded once, as Triton's own counter says."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from maskgate.client import Client
from tests.e2e import photos
from tests.integration.replicas.gateways import click_at_once, replicas, sample, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maskgate.stack import EmbeddedStack
    from maskgate.transport.grpc._pb import segmentation_pb2 as pb
    from tests.integration.replicas.gateways import Replica

pytestmark = pytest.mark.slow

GATEWAYS = 3
CLICKS = 50
LEASE_SECONDS = 1.0


@pytest.fixture
def gateways(stack: EmbeddedStack) -> Iterator[list[Replica]]:
    """Three gateways, each of which knows the model by an image of its own, and so is ready to encode at once."""
    environment = {"MASKGATE_ENCODE_LEASE_SECONDS": str(LEASE_SECONDS)}
    with replicas(stack, GATEWAYS, environment=environment) as running:
        for gateway in running:
            asyncio.run(click_at_once([gateway], upload([gateway]), clicks=1))
        yield running


@pytest.fixture
def redis(stack: EmbeddedStack) -> Iterator[Redis]:
    with Redis.from_url(stack.endpoints.redis, decode_responses=True) as client:
        yield client


def upload(gateways: list[Replica]) -> str:
    """A photo that nobody has seen yet."""
    with Client(str(gateways[0].endpoints.grpc)) as client:
        return str(client.image(photos.fresh("cat")).id)


def encodes(stack: EmbeddedStack) -> float:
    """Triton's nv_inference_count; the parser gives every counter its suffix."""
    return sample(str(stack.endpoints.triton_metrics), "nv_inference_count_total", model="lite0_encoder")


def waits(gateways: list[Replica], result: str) -> float:
    return sum(gateway.sample("maskgate_single_flight_waits_total", result=result) for gateway in gateways)


def masks(answers: list[pb.SegmentResponse]) -> set[str]:
    return {answer.masks[0].rle.counts for answer in answers}


def test_fifty_first_clicks_encode_once(stack: EmbeddedStack, gateways: list[Replica], redis: Redis) -> None:
    """Three gateways, fifty clicks at once on an image that is new to all: one encode, and the others share it."""
    image_id = upload(gateways)
    before = encodes(stack)

    answers = asyncio.run(click_at_once(gateways, image_id, clicks=CLICKS))

    assert 1 == encodes(stack) - before
    assert GATEWAYS - 1 == waits(gateways, "shared")
    assert CLICKS == len(answers)
    assert 1 == len(masks(answers))
    wait_until(lambda: not redis.keys("maskgate:*:encoding:*"))
    (name,) = redis.keys(f"maskgate:*:embedding:{image_id}*")
    assert (redis.memory_usage(name, samples=0) or 0) <= 2.1 * 2**20


def test_a_gateway_that_dies_while_it_encodes(stack: EmbeddedStack, gateways: list[Replica], redis: Redis) -> None:
    """Killed during its encode: one of the others takes over after the lease, and every click is answered."""
    image_id = upload(gateways)
    before = encodes(stack)

    answers = asyncio.run(_click_while_the_owner_dies(stack, gateways, redis, image_id))

    assert 1 <= encodes(stack) - before <= 2
    assert CLICKS == len(answers)
    assert 1 == len(masks(answers))
    left = [gateway for gateway in gateways if gateway.process.exit_status is None]
    assert GATEWAYS - 1 == len(left)
    assert (1, 1) == (waits(left, "took_over"), waits(left, "shared"))


async def _click_while_the_owner_dies(
    stack: EmbeddedStack, gateways: list[Replica], redis: Redis, image_id: str
) -> list[pb.SegmentResponse]:
    with _standing_still(stack.pid("triton")):
        clicks = asyncio.create_task(click_at_once(gateways, image_id, clicks=CLICKS))
        await asyncio.to_thread(wait_until, lambda: _owner(gateways, redis, image_id) is not None)
        owner = _owner(gateways, redis, image_id)
        assert owner is not None
        await asyncio.to_thread(wait_until, lambda: owner.sample("maskgate_inference_in_flight", stage="encode") == 1)
        owner.kill()
    return await clicks


@contextmanager
def _standing_still(pid: int) -> Iterator[None]:
    """Stop a process meanwhile: a call to it lasts as long."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _owner(gateways: list[Replica], redis: Redis, image_id: str) -> Replica | None:
    """The gateway whose turn it is to encode an image, as its lock says."""
    for name in redis.keys(f"maskgate:*:encoding:{image_id}*"):
        _, pid, _ = str(redis.get(name) or "::").split(":")
        return next((gateway for gateway in gateways if str(gateway.process.pid) == pid), None)
    return None
