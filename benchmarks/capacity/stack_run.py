"""Measures the real stack: what a call costs each side when it is alone, and how long people wait when it is not.

    python -m benchmarks.capacity.stack_run

Gateway, Valkey and the people are kept to one core, Triton and its models to another. L1 has 8 places and Valkey a few
dozen, so that both forget within the run.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Final

import click
import grpc
from redis.asyncio import Redis

from benchmarks.capacity.cores import Sides, used_by_all
from benchmarks.capacity.measured import Found, Run, Turn
from benchmarks.capacity.people import PATIENCE, Answered, People, at
from benchmarks.capacity.trace import Trace
from benchmarks.measuring import machine, write_results
from maskgate.capacity import Passing, Popularity
from maskgate.stack import EmbeddedStack, StackConfig
from maskgate.transport.grpc._pb.segmentation_pb2_grpc import SegmentationServiceStub

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from benchmarks.capacity.measured import Alone
    from benchmarks.capacity.people import Call
    from maskgate.stack import Endpoints

RESULTS: Final = Path("benchmarks/results/capacity.json")
SEED: Final = 20
L1_PLACES: Final = 8
VALKEY_MEMORY: Final = "64mb"
ENVIRONMENT: Final = {"MASKGATE_EMBEDDING_MEMORY_BYTES": str(L1_PLACES * 2**21), "MASKGATE_MASK_SHARE": "false"}
PASSING: Final = Passing(births=2.0, popularity=Popularity.zipf(1000, exponent=0.8, clicks=8000), seconds=12.0)
"""What the caches are measured with, for so many seconds:"""
PASSING_SECONDS: Final = 40.0
WARM: Final = 3
"""Photos that clicks are measured on: fewer than L1 has places."""
TURNS: Final = 5


@dataclass(frozen=True, slots=True)
class Much:
    """How much is measured in a turn.

    Attributes:
        alone: Calls one after the other.
        crowded: Calls of a crowd.
        loads: Of each crowd, in shares of what the models' core can do.
    """

    alone: int
    crowded: int
    loads: tuple[float, ...]


CLICKS: Final = Much(alone=30, crowded=80, loads=(0.3, 0.5, 0.7))
FIRSTS: Final = Much(alone=6, crowded=10, loads=(0.3, 0.6))
EMBEDDINGS: Final = "maskgate:2:embedding:*"
_OPTIONS: Final = (("grpc.max_receive_message_length", -1), ("grpc.enable_http_proxy", 0))


@click.command()
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS, show_default=True, help="The JSON file.")
def measure(*, output: Path) -> None:
    """Measure the stack, for about three minutes."""
    write_run(output)
    click.echo(f"The figures are in {output}.")


def write_run(path: Path) -> None:
    """Measure the stack, and write what it did into a JSON file."""
    about = machine()  # before this process moves to one core
    write_results({"machine": about, "run": asdict(run_stack())}, path)


def run_stack() -> Run:
    """Start the stack, measure it, and stop it; this process has all cores again afterwards."""
    cores = os.sched_getaffinity(0)
    first, second, *_ = sorted(cores)
    os.environ.update(ENVIRONMENT)  # the gateway reads its own
    config = StackConfig(
        grpc_port=0, http_port=0, triton_grpc_port=0, triton_metrics_port=0, cache_memory=VALKEY_MEMORY
    )
    os.sched_setaffinity(0, {second})
    try:
        with EmbeddedStack(config) as stack:
            sides = Sides.of_this_process()
            sides.move_gateway(first)
            with sides.precedence():
                return asyncio.run(_run(stack.endpoints, sides))
    finally:
        os.sched_setaffinity(0, cores)


async def _run(endpoints: Endpoints, sides: Sides) -> Run:
    async with (
        Redis.from_url(endpoints.redis, socket_timeout=PATIENCE) as redis,
        _people(str(endpoints.grpc), sides) as people,
    ):
        images = [await people.upload() for _ in range(WARM)]
        for image in images * 10:
            await people.click(image)
        before, began = used_by_all() - sum(sides.used()), perf_counter()
        clicks, firsts = await _clicks(people, images), await _firsts(people)
        await _forget(redis)
        fetched = await _fetched(people)
        await _forget(redis)
        found = await _found(people, redis)
        others = (used_by_all() - sum(sides.used()) - before) / (perf_counter() - began)
        return Run(clicks, firsts, fetched, found, others)


@asynccontextmanager
async def _people(address: str, sides: Sides) -> AsyncIterator[People]:
    async with grpc.aio.insecure_channel(address, options=_OPTIONS) as channel:
        yield People(SegmentationServiceStub(channel), sides, seed=SEED)  # type: ignore[no-untyped-call] # generated


async def _clicks(people: People, images: list[str]) -> tuple[Turn, ...]:
    """Measure clicks on photos whose embeddings are in L1."""

    async def some(count: int) -> list[Call]:
        return [partial(people.click, images[turn % WARM]) for turn in range(count)]

    return await _in_turns(people, some, CLICKS)


async def _firsts(people: People) -> tuple[Turn, ...]:
    """Measure first clicks; the photos are uploaded before, as most people look at theirs before they click."""

    async def some(count: int) -> list[Call]:
        return [partial(people.click, await people.upload()) for _ in range(count)]

    return await _in_turns(people, some, FIRSTS)


async def _in_turns(people: People, some: Callable[[int], Awaitable[list[Call]]], much: Much) -> tuple[Turn, ...]:
    """Measure calls alone and in crowds by turns, so that what disturbs the machine for a while disturbs few."""
    first = await people.alone(await some(much.alone))
    rates, turns = [load / first.models for load in much.loads], []
    for turn in range(TURNS):
        alone = await people.alone(await some(much.alone))
        crowds = [await people.crowded(await some(much.crowded), rate=rate, seed=turn) for rate in rates]
        turns.append(Turn(alone, tuple(crowds)))
    return tuple(turns)


async def _fetched(people: People) -> Alone:
    """Measure clicks on twice as many photos as L1 has places, in turn, so that each is read from Valkey."""
    images = [await people.upload() for _ in range(2 * L1_PLACES)]
    for image in images:
        await people.click(image)
    return await people.alone([partial(people.click, image) for image in images * 2])


async def _forget(redis: Redis) -> None:
    """Empty Valkey, and have it forget by LRU from now on: its LFU counts in minutes, and these images live seconds."""
    await redis.config_set("maxmemory-policy", "allkeys-lru")
    await redis.flushall()


async def _found(people: People, redis: Redis) -> Found:
    """Measure where clicks on passing images find their embeddings, from an empty Valkey on."""
    trace = Trace.of(PASSING, seconds=PASSING_SECONDS, seed=SEED)
    uploads: dict[int, asyncio.Task[str]] = {}

    async def click_on(image: int) -> Answered:
        if image not in uploads:
            uploads[image] = asyncio.create_task(people.upload())
        return await people.click(await uploads[image])

    calls = [partial(click_on, image) for image in trace.images.tolist()]
    tiers = Counter(each.tier for each in await at(trace.times.tolist(), calls))
    held = [name async for name in redis.scan_iter(match=EMBEDDINGS)]
    shares = {tier: tiers[tier] / len(trace) for tier in ("l1", "redis", "encoded")}
    return Found(clicks=len(trace), **shares, redis_places=len(held))


if __name__ == "__main__":
    measure()
