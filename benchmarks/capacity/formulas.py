"""Holds the formulas against simulations that know nothing of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from benchmarks.capacity.checks import Check
from benchmarks.capacity.queues import waits
from benchmarks.capacity.shelves import Lru, OwnOrder, look
from benchmarks.capacity.trace import Trace
from maskgate.capacity import Passing, Popularity, Queue, Service, Standing, hit_ratio

if TYPE_CHECKING:
    from benchmarks.capacity.shelves import Shelf

SERVERS: Final = (1, 8, 24)
USES: Final = (0.5, 0.7, 0.85)
SPREADS: Final = (0.1, 1.0)
SERVICE_SECONDS: Final = 0.05
CALLS: Final = 100_000
PLACES: Final = (30, 100, 300, 1000, 3000)
PASSING: Final = Passing(births=1.0, popularity=Popularity.zipf(10_000, exponent=0.8, clicks=500_000), seconds=600.0)
CATALOGUES: Final = {
    exponent: Standing(Popularity.zipf(10_000, exponent=exponent, clicks=1.0)) for exponent in (0.8, 1.1)
}
CATALOGUE_PLACES: Final = 300
CLICKS: Final = 200_000
TRACE_SECONDS: Final = 6000.0
WARM: Final = 0.3
"""The share of a trace that fills the caches and does not count."""


@dataclass(frozen=True, slots=True)
class Waited:
    """A line, and how long calls waited in its simulation: on average, and all but a hundredth. Seconds."""

    queue: Queue
    mean: float
    p99: float


@dataclass(frozen=True, slots=True)
class Kept:
    """A cache of so many places, and the share of clicks that found their image: by two rules of forgetting."""

    places: int
    lru: float
    own: float


def simulate_lines(*, seed: int) -> list[Waited]:
    """Let calls wait in lines of every kind."""
    kinds = [(servers, use, spread) for servers in SERVERS for use in USES for spread in SPREADS]
    return [_waited(*kind, seed=seed + number) for number, kind in enumerate(kinds)]


def _waited(servers: int, use: float, spread: float, *, seed: int) -> Waited:
    queue = Queue(use * servers / SERVICE_SECONDS, Service(SERVICE_SECONDS, spread), servers)
    seconds = waits(queue, calls=CALLS, seed=seed)
    return Waited(queue, float(seconds.mean()), float(np.quantile(seconds, 0.99)))


def simulate_caches(*, seed: int) -> list[Kept]:
    """Let caches of every size see the same clicks."""
    trace = Trace.of(PASSING, seconds=TRACE_SECONDS, seed=seed)
    images = trace.images.tolist()
    return [Kept(places, _hits(images, Lru(places)), _hits(images, OwnOrder(places))) for places in PLACES]


def simulate_catalogue(*, seed: int) -> dict[float, float]:
    """Let an LRU cache see clicks on images that always are there; return its hits by the exponent of popularity."""
    chance = np.random.default_rng(seed)
    hits = {}
    for exponent, catalogue in CATALOGUES.items():
        shares = np.repeat(catalogue.popularity.clicks, catalogue.popularity.images.astype(int))
        images = chance.choice(len(shares), CLICKS, p=shares / shares.sum())
        hits[exponent] = _hits(images.tolist(), Lru(CATALOGUE_PLACES))
    return hits


def _hits(images: list[int], shelf: Shelf) -> float:
    found = Counter[int]()
    for number, image in enumerate(images):
        found[look(image, (shelf,)) if number >= WARM * len(images) else -1] += 1
    return found[0] / (found[0] + found[1])


def check_lines(lines: list[Waited]) -> list[Check]:
    """Compare waits that are not too short to matter: 2 % of a service and more."""
    return [
        check
        for waited in lines
        if waited.queue.mean_wait > SERVICE_SECONDS / 50
        for check in (
            Check(f"mean wait, {_name(waited.queue)}, ms", 1e3 * waited.queue.mean_wait, 1e3 * waited.mean),
            Check(f"p99 of the wait, {_name(waited.queue)}, ms", 1e3 * waited.queue.wait(0.99), 1e3 * waited.p99, 0.25),
        )
    ]


def _name(queue: Queue) -> str:
    servers = "server" if queue.servers == 1 else "servers"
    return f"{queue.servers} {servers}, {queue.utilisation:.0%} busy, spread {queue.service.spread:g}"


def check_caches(caches: list[Kept]) -> list[Check]:
    """Compare hit ratios."""
    return [
        check
        for kept, said in ((kept, hit_ratio(PASSING, kept.places)) for kept in caches)
        for check in (
            Check(f"hits of LRU, {kept.places} places", said, kept.lru, 0.05),
            Check.at_least(f"hits of S3-FIFO, {kept.places} places", said, kept.own, within=0.05),
        )
    ]


def check_catalogue(hits: dict[float, float]) -> list[Check]:
    """Compare the hit ratios of standing catalogues."""
    return [
        Check(
            f"hits of LRU, {CATALOGUE_PLACES} places for 10,000 images that stay, Zipf {exponent:g}",
            hit_ratio(CATALOGUES[exponent], CATALOGUE_PLACES),
            seen,
            0.05,
        )
        for exponent, seen in hits.items()
    ]
