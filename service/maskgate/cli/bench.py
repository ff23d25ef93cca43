"""`maskgate bench`: how fast a running gateway answers clicks."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from random import Random
from time import perf_counter, perf_counter_ns
from typing import TYPE_CHECKING

import click
import numpy as np

from maskgate.cli.connection import explained, gateway_options
from maskgate.client import AsyncClient, MaskgateError
from maskgate.domain.errors import InvalidRequest

if TYPE_CHECKING:
    import numpy.typing as npt

    from maskgate.cli.connection import Gateway
    from maskgate.client import AsyncImage

_WIDTH, _HEIGHT = 1024, 768


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked.

    Attributes:
        clients: How many ask at once, each over a connection of its own and on a photo of its own.
        clicks: How many each asks, one after the other.
        is_cold: Whether each click is the first on a new photo.
        model: The model; empty means the server's default.
    """

    clients: int
    clicks: int
    is_cold: bool
    model: str


@dataclass(slots=True)
class Tally:
    """What came of it: seconds of each click that was answered, and how many were refused."""

    seconds: list[float]
    refused: int = 0


@click.command()
@click.option("--clients", type=click.IntRange(1, 256), default=4, help="How many click at once.")
@click.option("--clicks", type=click.IntRange(1, 100_000), default=50, help="How often each of them clicks.")
@click.option("--cold", is_flag=True, help="Each click is the first on a new photo, so that it waits for an encode.")
@click.option("--model", default="", help="Model; empty means the server's default.")
@gateway_options
def bench(*, clients: int, clicks: int, cold: bool, model: str, gateway: Gateway) -> None:
    """Click on photos of noise, and show how long the answers take.

    A click that is refused is not tried again.
    """
    load = Load(clients, clicks, cold, model)
    with explained(gateway.address):
        tally, took = asyncio.run(_measure(gateway, load))
    click.echo(f"{'first clicks' if cold else 'clicks'} on {_WIDTH} x {_HEIGHT} pixels, {clients} at once, over gRPC\n")
    click.echo(_table(tally, took))


async def _measure(gateway: Gateway, load: Load) -> tuple[Tally, float]:
    """Let all click; photos are uploaded, and encoded where clicks are warm, before the clock starts."""
    tally = Tally([])
    async with AsyncExitStack() as opened:
        clients = [await opened.enter_async_context(_client_of(gateway)) for _ in range(load.clients)]
        clickers = await asyncio.gather(*(_Clicker.of(client, load, turn) for turn, client in enumerate(clients)))
        began = perf_counter()
        await asyncio.gather(*(clicker.run(load, tally) for clicker in clickers))
        return tally, perf_counter() - began


def _client_of(gateway: Gateway) -> AsyncClient:
    return AsyncClient(gateway.address, **gateway.proofs, attempts=1)


@dataclass(frozen=True, slots=True)
class _Clicker:
    """One who clicks."""

    images: list[AsyncImage]
    places: Random

    @classmethod
    async def of(cls, client: AsyncClient, load: Load, number: int) -> _Clicker:
        chance = np.random.default_rng([number, perf_counter_ns()])  # photos that nobody has uploaded yet
        images = [await client.image(_noise(chance)) for _ in range(load.clicks if load.is_cold else 1)]
        if not load.is_cold:
            await images[0].encode(load.model)
        return cls(images, Random(number))  # noqa: S311 - places to click on

    async def run(self, load: Load, tally: Tally) -> None:
        for index in range(load.clicks):
            place = (self.places.uniform(0, _WIDTH - 1), self.places.uniform(0, _HEIGHT - 1))
            began = perf_counter()
            try:
                await self.images[index % len(self.images)].segment(points=[place], model=load.model, handles=False)
            except InvalidRequest:
                raise
            except MaskgateError:
                tally.refused += 1
            else:
                tally.seconds.append(perf_counter() - began)


def _noise(chance: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Draw blots, RGB uint8 [H, W, 3]: they weigh little as PNG."""
    blots = chance.integers(0, 256, (_HEIGHT // 64, _WIDTH // 64, 3), np.uint8)
    return blots.repeat(64, axis=0).repeat(64, axis=1)


def _table(tally: Tally, took: float) -> str:
    head = f"{'answered':>9}{'refused':>9}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}{'per s':>9}"
    answered = len(tally.seconds)
    p50, p95, p99 = np.percentile(tally.seconds, (50, 95, 99)) * 1e3 if answered else (np.nan,) * 3
    return f"{head}\n{answered:>9}{tally.refused:>9}{p50:>9.1f}{p95:>9.1f}{p99:>9.1f}{answered / took:>9.1f}"
