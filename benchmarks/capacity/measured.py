"""What the real stack did in a measured run, as it is kept in benchmarks/results/capacity.json."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt


def poisson_times(rate: float, calls: int, *, seed: int) -> npt.NDArray[np.float64]:
    """Draw when calls come by chance, in seconds from the start, float64 [calls]."""
    return np.random.default_rng(seed).exponential(1 / rate, calls).cumsum()


@dataclass(frozen=True, slots=True)
class Alone:
    """Calls one after the other, so that none waits for another. Seconds, means of all.

    Attributes:
        gateway: A call keeps the first core busy so long: people, gateway, Valkey.
        models: It keeps the second core busy so long: Triton and its models.
        latency: What somebody waits for the answer.
        spread: Standard deviation of the time in the model, in units of its mean.
    """

    gateway: float
    models: float
    latency: float
    spread: float


@dataclass(frozen=True, slots=True)
class Crowded:
    """Calls that come by chance (Poisson), whether others are answered or not. Seconds.

    Attributes:
        rate: Calls a second.
        calls: How many there were.
        seed: Of the times at which they came.
        mean: What people waited for the answer, on average.
        p50: Half of them waited no longer.
        p95: All but a twentieth waited no longer.
        gateway: Share of the first core that was busy.
        models: Share of the second core that was busy.
    """

    rate: float
    calls: int
    seed: int
    mean: float
    p50: float
    p95: float
    gateway: float
    models: float

    @property
    def times(self) -> npt.NDArray[np.float64]:
        """When they came, in seconds from the start, float64 [N]."""
        return poisson_times(self.rate, self.calls, seed=self.seed)


@dataclass(frozen=True, slots=True)
class Found:
    """Where clicks on passing images found their embeddings, in shares of all clicks.

    Attributes:
        clicks: How many there were.
        l1: In the gateway's memory.
        redis: In Valkey.
        encoded: Nowhere.
        redis_places: Embeddings that were in Valkey at the end, when it was full.
    """

    clicks: int
    l1: float
    redis: float
    encoded: float
    redis_places: int


@dataclass(frozen=True, slots=True)
class Turn:
    """Calls alone, and right after them the same calls crowded, at one rate after the other.

    What disturbs a machine for a while disturbs both.
    """

    alone: Alone
    crowds: tuple[Crowded, ...]

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Turn:
        """Read what `asdict` has written."""
        return cls(Alone(**document["alone"]), tuple(Crowded(**each) for each in document["crowds"]))


@dataclass(frozen=True, slots=True)
class Run:
    """A whole run.

    Attributes:
        clicks: On photos whose embeddings are in L1.
        firsts: On photos that nobody has clicked on.
        fetched: On photos whose embeddings are in Valkey.
        found: Where clicks on passing images found their embeddings.
        others: Cores that other work of the machine has used meanwhile, on average: it should be none.
    """

    clicks: tuple[Turn, ...]
    firsts: tuple[Turn, ...]
    fetched: Alone
    found: Found
    others: float

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Run:
        """Read what `asdict` has written."""
        return cls(
            tuple(map(Turn.read, document["clicks"])),
            tuple(map(Turn.read, document["firsts"])),
            Alone(**document["fetched"]),
            Found(**document["found"]),
            document["others"],
        )
