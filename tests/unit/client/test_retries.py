from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from maskgate.client import AsyncClient, errors
from maskgate.client._retries import Retries
from tests import pictures
from tests.unit.client.conftest import Served, serving
from tests.unit.transport.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

LONG = 60.0


class Pauses:
    """Sleeps that take no time, and their lengths."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


class Failing:
    """Fails some times, then answers."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.asked = 0

    async def __call__(self, seconds: float) -> str:
        assert seconds > 0
        self.asked += 1
        if self.failures:
            raise self.failures.pop(0)
        return "answer"


def retries(attempts: int, pauses: Callable[[float], object]) -> Retries:
    return Retries(attempts, sleep=pauses, jittered=lambda seconds: seconds)  # type: ignore[arg-type]


def busy(retry_after: float) -> errors.Overloaded:
    return errors.Overloaded("Busy.", retry_after=retry_after)


async def test_the_gateways_delay_is_kept() -> None:
    """A call is tried again after the time that the gateway gave, or after growing ones where it gave none."""
    pauses, gone = Pauses(), errors.Unavailable("Gone.")
    gone.retry_after = None

    first = await retries(3, pauses)(Failing(busy(0.7), busy(0.2)), seconds=LONG)
    second = await retries(3, pauses)(Failing(gone, gone), seconds=LONG)

    assert "answer" == first == second
    assert [0.7, 0.2, 0.1, 0.2] == pauses.seconds


async def test_attempts_end() -> None:
    """After the last attempt its error is the caller's."""
    failing = Failing(busy(1), busy(1), busy(0.5))

    with pytest.raises(errors.Overloaded) as refused:
        await retries(3, Pauses())(failing, seconds=LONG)

    assert 0.5 == refused.value.retry_after
    assert 3 == failing.asked


@pytest.mark.parametrize(
    "failure", [errors.InvalidPrompt("No."), errors.InferenceFailed("No."), errors.DeadlineExceeded("Late.")]
)
async def test_what_is_not_tried_again(failure: Exception) -> None:
    """What would fail the same way, or has had its time, is told at once."""
    failing = Failing(failure)

    with pytest.raises(type(failure)):
        await retries(3, Pauses())(failing, seconds=LONG)

    assert 1 == failing.asked


async def test_no_pause_beyond_the_deadline() -> None:
    """Where the time would be over before the next attempt, the error is told at once."""
    pauses, failing = Pauses(), Failing(busy(20))

    with pytest.raises(errors.Overloaded):
        await retries(3, pauses)(failing, seconds=10)

    assert [] == pauses.seconds


async def test_retries_have_a_budget() -> None:
    """A gateway that fails every call is not asked three times as often."""
    asking = retries(2, Pauses())
    attempts = []
    for _ in range(30):
        failing = Failing(busy(1), busy(1))
        with pytest.raises(errors.Overloaded):
            await asking(failing, seconds=LONG)
        attempts.append(failing.asked)

    assert [2] * 10 + [1] * 20 == attempts


async def test_a_busy_gateway_is_asked_again() -> None:
    """A click that is refused a place succeeds when one is free, without its caller's doing."""
    world = World(decodes=1, waiting=0)
    async with serving(world) as served, AsyncClient(served.address) as client:
        image = await client.image(pictures.png(40, 30))
        await image.segment(points=[(1, 1)])
        world.backend.gate.clear()
        first = asyncio.create_task(image.segment(points=[(2, 2)]))
        await world.until_decodes(2)
        second = asyncio.create_task(image.segment(points=[(3, 3)]))
        async with asyncio.timeout(5):
            while not world.answered("grpc", "Segment", "RESOURCE_EXHAUSTED"):  # noqa: ASYNC110 - a number sets no event
                await asyncio.sleep(0.001)
        world.backend.gate.set()

        assert (await first).best.area > 0
        assert (await second).best.area > 0


async def test_nobody_answers() -> None:
    """An address where nobody listens is Unavailable, with the address in the sentence."""
    async with AsyncClient("127.0.0.1:1", attempts=1) as client:
        with pytest.raises(errors.Unavailable, match=r"^No gateway answers at 127.0.0.1:1: ") as refused:
            await client.models()

    assert {"address": "127.0.0.1:1"} == refused.value.metadata


async def test_time_is_bounded(served: Served, world: World) -> None:
    """A call that is not answered in time is DeadlineExceeded."""
    async with AsyncClient(served.address, timeout=0.2) as client:
        image = await client.image(pictures.png(40, 30))
        world.backend.gate.clear()

        with pytest.raises(errors.DeadlineExceeded):
            await image.segment(points=[(1, 1)])


async def test_the_time_of_an_encode_is_bounded(served: Served, world: World) -> None:
    """An encode ahead of the clicks is a call like others, although its answers are a stream."""
    async with AsyncClient(served.address, timeout=0.2) as client:
        image = await client.image(pictures.png(40, 30))
        world.backend.gate.clear()

        with pytest.raises(errors.DeadlineExceeded):
            await asyncio.wait_for(image.encode(), 5)

        world.backend.gate.set()
