"""People who click on the real stack, one after the other or as they come."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random
from statistics import fmean, stdev
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from loadtests import photos

from benchmarks.capacity.measured import Alone, Crowded, poisson_times
from maskgate.transport.grpc._pb import segmentation_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from benchmarks.capacity.cores import Sides

    Call = Callable[[], Awaitable["Answered"]]

PATIENCE: Final = 30.0
_TIERS: Final = {pb.CACHE_TIER_L1: "l1", pb.CACHE_TIER_L2: "redis", pb.CACHE_TIER_MISS: "encoded"}


@dataclass(frozen=True, slots=True)
class Answered:
    """A call.

    Attributes:
        latency: Seconds for which somebody waited.
        model: Seconds of it that the gateway waited for the models.
        tier: Where the embedding was: "l1", "redis" or "encoded".
    """

    latency: float
    model: float
    tier: str


class People:
    """Those who call, all over one connection."""

    def __init__(self, stub: Any, sides: Sides, *, seed: int) -> None:  # noqa: ANN401 - generated, without types
        """Know where the service is, and whose cores to look at."""
        self._stub = stub
        self._sides = sides
        self._chance = np.random.default_rng(seed)
        self._chooser = Random(seed)  # noqa: S311 - nothing is secret

    async def upload(self) -> str:
        """Upload a photo that nobody has uploaded yet."""
        request = pb.UploadImageRequest(content=photos.fresh(self._chooser))
        return str((await self._stub.UploadImage(request, timeout=PATIENCE)).image.image_id)

    async def click(self, image: str) -> Answered:
        """Click somewhere on an image."""
        x, y = self._chance.uniform(0.2, 0.8, 2)
        request = pb.SegmentRequest(
            image_id=image, points=[pb.Point(x=x, y=y)], coordinates=pb.COORDINATE_SPACE_NORMALIZED
        )
        began = perf_counter()
        timing = (await self._stub.Segment(request, timeout=PATIENCE)).timing
        model = (timing.encode_ms + timing.decode_ms) / 1e3
        return Answered(perf_counter() - began, model, _TIERS[timing.cache_tier])

    async def alone(self, calls: Sequence[Call]) -> Alone:
        """Make calls one after the other."""
        before = self._sides.used()
        answered = [await call() for call in calls]
        gateway, models = (now - then for now, then in zip(self._sides.used(), before, strict=True))
        times = [each.model for each in answered]
        waited = fmean(each.latency for each in answered)
        return Alone(gateway / len(calls), models / len(calls), waited, stdev(times) / fmean(times))

    async def crowded(self, calls: Sequence[Call], *, rate: float, seed: int) -> Crowded:
        """Make calls that come by chance."""
        before, began = self._sides.used(), perf_counter()
        times = poisson_times(rate, len(calls), seed=seed)
        waits = [each.latency for each in await at(times.tolist(), calls)]
        took = perf_counter() - began
        gateway, models = (now - then for now, then in zip(self._sides.used(), before, strict=True))
        p50, p95 = np.quantile(waits, (0.5, 0.95)).tolist()
        return Crowded(rate, len(calls), seed, fmean(waits), p50, p95, gateway / took, models / took)


async def at(times: Sequence[float], calls: Sequence[Call]) -> list[Answered]:
    """Make each call at its time, in seconds from now."""
    clock = asyncio.get_running_loop().time
    began = clock()

    async def one(time: float, call: Call) -> Answered:
        await asyncio.sleep(began + time - clock())
        return await call()

    return await asyncio.gather(*(one(time, call) for time, call in zip(times, calls, strict=True)))
