"""Prompts a second of 16 clients on 8 images that are encoded already: the service, and what others would serve.

    python -m benchmarks.throughput

The peers are LitServe and BentoML, each with the reference's predictor and with the official ONNX decoder, each with
one worker and with two, of which a first round keeps the better. All have the same weights, images and clients, and
answer with COCO's runs: the service over gRPC, the peers in JSON, as their clients do.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any, Final

import click
import numpy as np

from benchmarks import clients
from benchmarks.building import build
from benchmarks.clients import Clicked, Load
from benchmarks.decoders import export_official
from benchmarks.encoders import PHOTO
from benchmarks.measuring import Bound, Ratio, machine, pause, write_results
from benchmarks.peers.decoders import EMBEDDINGS, OFFICIAL, ONNX_PEER, REFERENCE_PEER, Order
from benchmarks.peers.servers import started
from benchmarks.service import MODEL, WEIGHTS, calm_reference, embeddings, photos, running

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

RESULTS: Final = Path("benchmarks", "results", "throughput.json")
IMAGES: Final = 8
CLIENTS: Final = 16
WORKERS: Final = (1, 2)
LEAD_IN: Final = 1.0
SHORT: Final = 3.0
"""Seconds of the first round's turns, at most."""
SERVICE, SERVICE_REST = "the service, gRPC", "the service, REST"
PEERS: Final = {
    f"{name} + {what}": (framework, decoder)
    for framework, name in (("litserve", "LitServe"), ("bentoml", "BentoML"))
    for decoder, what in ((REFERENCE_PEER, "SamPredictor"), (ONNX_PEER, "official ONNX decoder"))
}
SIX_TIMES: Final = Bound(6.0)
THREE_TIMES: Final = Bound(3.0)


@dataclass(frozen=True, slots=True)
class Contender:
    """What is asked.

    Attributes:
        name: Whose rates it competes for; of several with one name the best counts.
        detail: What it is, besides.
        protocol: Of `clients.PROTOCOLS`.
        address: `host:port`.
        images: What it calls them.
        clients: How many click at once.
    """

    name: str
    detail: str
    protocol: str
    address: str
    images: tuple[str, ...]
    clients: int = CLIENTS

    def click(self, seconds: float) -> Clicked:
        """Let all clients click."""
        pause()
        size = (PHOTO.width, PHOTO.height)
        return clients.click(Load(self.protocol, self.address, self.images, size, self.clients, LEAD_IN, seconds))


@dataclass(frozen=True, slots=True)
class Measured:
    """What a contender's turns came to."""

    contender: Contender
    turns: Sequence[Clicked]

    @property
    def rate(self) -> float:
        """Prompts a second, the median of its turns."""
        return median(turn.rate for turn in self.turns)

    def document(self) -> dict[str, Any]:
        """Return what goes into the JSON file."""
        latencies = [latency for turn in self.turns for latency in turn.latencies]
        percentiles = quantiles(latencies, n=100)
        return {
            "served_by": self.contender.detail,
            "prompts_per_second": round(self.rate, 2),
            "turns": [round(turn.rate, 2) for turn in self.turns],
            "p50_ms": round(1e3 * percentiles[49], 1),
            "p95_ms": round(1e3 * percentiles[94], 1),
        }

    def line(self, name: str) -> str:
        """Write it for the table."""
        figures = self.document()
        return (
            f"  {name:<40}{figures['prompts_per_second']:>8.1f}/s  p50 {figures['p50_ms']:>7.1f} ms"
            f"  p95 {figures['p95_ms']:>7.1f} ms  ({self.contender.detail})"
        )


@click.command()
@click.option("--repeats", default=3, show_default=True, help="Rounds; the median rate counts.")
@click.option("--seconds", default=4.0, show_default=True, help="Of a turn.")
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS, show_default=True, help="The JSON file.")
def throughput(*, repeats: int, seconds: float, output: Path) -> None:
    """Compare prompts a second with what others serve."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as opened:
        contenders = prepare(Path(folder), opened)
        measured = measure(better_ones(contenders, seconds), repeats, seconds)
    ratios = _ratios({name: one.rate for name, one in measured.items()})
    click.echo(_table(measured, ratios))
    document = {
        "unit": f"{CLIENTS} clients on {IMAGES} encoded photos of {PHOTO.width}x{PHOTO.height}",
        "weights": WEIGHTS,
        "contenders": {name: one.document() for name, one in measured.items()},
        "ratios": {ratio.name: ratio.document() for ratio in ratios},
    }
    write_results({"machine": machine(), **document}, output)
    click.echo(f"The figures are in {output}.")


def prepare(folder: Path, opened: ExitStack) -> list[Contender]:
    """Put the same weights and images everywhere, and start all servers."""
    reference, files = calm_reference(), photos(IMAGES)
    np.save(folder / EMBEDDINGS, np.stack(embeddings(reference, files)))
    export_official(reference, folder / OFFICIAL, PHOTO)
    build(MODEL, reference, folder / "models")
    service = opened.enter_context(running(MODEL, folder / "models", files))
    images = tuple(map(str, service.images))
    return [
        Contender(SERVICE, "our gateway and Triton", "grpc", service.grpc, images),
        Contender(SERVICE_REST, "our gateway and Triton", "rest", service.http.removeprefix("http://"), images),
        *start_peers(folder, opened),
    ]


def start_peers(folder: Path, opened: ExitStack) -> list[Contender]:
    """Start every peer with each number of workers."""
    numbers = tuple(map(str, range(IMAGES)))
    peers = {
        (name, workers): opened.enter_context(started(framework, Order(decoder, workers, str(folder))))
        for name, (framework, decoder) in PEERS.items()
        for workers in WORKERS
    }
    for peer in peers.values():
        peer.await_ready()
    return [
        Contender(name, f"workers: {workers}", peer.framework, peer.address, numbers)
        for (name, workers), peer in peers.items()
    ]


def better_ones(contenders: Iterable[Contender], seconds: float) -> list[Contender]:
    """Let all click once, which also warms them up; keep the fastest of each name."""
    rates = {contender: contender.click(min(seconds, SHORT)).rate for contender in contenders}
    for contender, rate in rates.items():
        click.echo(f"warm-up: {contender.name}, {contender.detail}: {rate:.1f} prompts/s")
    fastest: dict[str, Contender] = {}
    for contender in sorted(rates, key=rates.__getitem__):
        fastest[contender.name] = contender
    return sorted(fastest.values(), key=[*rates].index)


def measure(contenders: Sequence[Contender], rounds: int, seconds: float) -> dict[str, Measured]:
    """Let them take turns."""
    turns = [[contender.click(seconds) for contender in contenders] for _ in range(rounds)]
    return {one.name: Measured(one, turns) for one, turns in zip(contenders, zip(*turns, strict=True), strict=True)}


def _ratios(rates: Mapping[str, float]) -> list[Ratio]:
    ours = rates[SERVICE]
    of = {name: ours / rate for name, rate in rates.items()}
    onnx = max(rates[name] for name, (_, decoder) in PEERS.items() if decoder == ONNX_PEER)
    reference = [name for name, (_, decoder) in PEERS.items() if decoder == REFERENCE_PEER]
    return [
        *(Ratio(f"service / {name}", of[name], SIX_TIMES) for name in reference),
        Ratio("service / the faster with the official ONNX decoder", ours / onnx, THREE_TIMES),
        Ratio("service over gRPC / over REST", of[SERVICE_REST]),
    ]


def _table(measured: Mapping[str, Measured], ratios: Sequence[Ratio]) -> str:
    lines = [one.line(name) for name, one in measured.items()]
    return "\n".join(("", *lines, "", *map(str, ratios), ""))


if __name__ == "__main__":
    throughput()
