"""Clients that click as fast as they are answered, in a process of their own, the same for whatever they ask.

    python -m benchmarks.clients '{"protocol": "grpc", "address": "127.0.0.1:50051", …}'

Each has a connection, a thread and an image, and waits for its answer before it clicks again. Prints JSON: the seconds
that each counted click took, and for how long clicks were counted.
"""

from __future__ import annotations

import http.client
import json
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from benchmarks.grpc_clicks import GrpcClicks
from maskgate.domain.prompt import Point

if TYPE_CHECKING:
    from collections.abc import Callable

    Ask = Callable[[int, Point], object]

PATIENCE: Final = 60.0
"""Seconds for an answer."""
START: Final = 10.0
"""Seconds for the clients' process to start and to end."""
OK: Final = 200


@dataclass(frozen=True, slots=True)
class Load:
    """Who is asked, and how.

    Attributes:
        protocol: A key of PROTOCOLS.
        address: `host:port`.
        images: What the server calls them.
        size: Width and height of the images in pixels.
        clients: At once.
        lead_in: Seconds of clicking that are not counted.
        seconds: Of clicking that are.
    """

    protocol: str
    address: str
    images: tuple[str, ...]
    size: tuple[int, int]
    clients: int
    lead_in: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Clicked:
    """What came of it.

    Attributes:
        latencies: Seconds of each click that was answered while they were counted.
        seconds: For how long they were.
    """

    latencies: tuple[float, ...]
    seconds: float

    @property
    def rate(self) -> float:
        """Clicks a second."""
        return len(self.latencies) / self.seconds


def click(load: Load) -> Clicked:
    """Let clients of another process click.

    Raises:
        subprocess.SubprocessError: A client was refused, or did not get its answer in time.
    """
    command = [sys.executable, "-m", "benchmarks.clients", json.dumps(asdict(load))]
    patience = START + load.lead_in + load.seconds + PATIENCE
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=patience)  # noqa: S603 - ours
    latencies, seconds = json.loads(done.stdout)
    return Clicked(tuple(latencies), seconds)


def main() -> None:
    """Click, in this process."""
    load = Load(**json.loads(sys.argv[1]))
    counted_from = time.perf_counter() + load.lead_in
    end = counted_from + load.seconds
    with ThreadPoolExecutor(load.clients) as clients:
        clicks = [clients.submit(_client, load, number, end) for number in range(load.clients)]
    latencies = [now - began for done in clicks for began, now in done.result() if counted_from <= now <= end]
    print(json.dumps([latencies, load.seconds]))  # noqa: T201 - that is its output


def _client(load: Load, number: int, end: float) -> list[tuple[float, float]]:
    draw = random.Random(number)  # noqa: S311 - places to click on
    ask, image = PROTOCOLS[load.protocol](load), number % len(load.images)
    width, height = load.size
    clicks, now = [], time.perf_counter()
    while now < end:
        began = now
        ask(image, Point(draw.uniform(0, width), draw.uniform(0, height)))
        now = time.perf_counter()
        clicks.append((began, now))
    return clicks


def _service_grpc(load: Load) -> Ask:
    click = GrpcClicks(load.address, timeout=PATIENCE)
    return lambda image, point: click(load.images[image], point)


def _service_rest(load: Load) -> Ask:
    post = _Post(load.address)
    return lambda image, point: post(
        f"/v1/images/{load.images[image]}:segment", {"points": [{"x": point.x, "y": point.y}]}
    )


def _peer(load: Load) -> Ask:
    post = _Post(load.address)
    return lambda image, point: post("/predict", {"image": image, "x": point.x, "y": point.y})


class _Post:
    """Posts JSON over a connection that is kept."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(address, timeout=PATIENCE)

    def __call__(self, path: str, body: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
        self._connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        answer = response.read()
        if response.status != OK:
            raise RuntimeError(f"{path}: {response.status} {answer[:200]!r}")
        return json.loads(answer)


PROTOCOLS: Final[dict[str, Callable[[Load], Ask]]] = {
    "grpc": _service_grpc,
    "rest": _service_rest,
    "litserve": _peer,
    "bentoml": _peer,
}

if __name__ == "__main__":
    main()
