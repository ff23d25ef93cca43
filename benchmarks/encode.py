"""From a photo to its embedding: the reference's `set_image`, the running service, and OpenVINO called directly.

    python -m benchmarks.encode
    python -m benchmarks.encode --model vit_b --depth 3   # a quick look, which writes no results

Weights are random, in Meta's layout, and the same for all contenders. The service is timed as a client sees it: the
upload of a new JPEG, its encoding, and the first mask.
"""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from benchmarks.building import build
from benchmarks.encoders import PHOTO, DirectEncoder, ReferenceEncoder, ServedEncoder, cosine, draw_photo_of
from benchmarks.measuring import (
    WARM_UPS,
    Bound,
    Ratio,
    in_milliseconds,
    machine,
    medians,
    pause,
    table,
    take_turns,
    use_all_cores,
    write_results,
)
from benchmarks.processes import peak_memory
from benchmarks.reference import SEED, seeded_reference, vit_of
from maskforge.sam.variants import VARIANTS
from maskgate.client import Client
from maskgate.stack import EmbeddedStack, StackConfig

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maskforge.sam.image_encoder import VitConfig

RESULTS: Final = Path("benchmarks", "results", "encode.json")
PATIENCE: Final = 600.0
"""Seconds for a call: a ViT-H on two busy cores takes longer than the gateway's defaults allow."""
FASTER: Final[Mapping[str, Bound]] = {"vit_b": Bound(7.0), "vit_h": Bound(6.0)}
LITTLE_ON_TOP: Final = Bound(1.15, at_least=False)
LEAST_COSINE: Final = 0.99

REFERENCE = "SamPredictor.set_image, torch fp32"
REFERENCE_BF16 = "SamPredictor.set_image, torch bf16 autocast"
SERVICE = "the service, bf16: upload, encode, first mask"
SERVICE_ENCODE = "  of which the gateway's call of the encoder"
SERVICE_DECODE = "  of which the gateway's call of the decoder"
DIRECT = "OpenVINO called directly, bf16"


@dataclass(frozen=True, slots=True)
class Subject:
    """A model to measure.

    Attributes:
        name: A published size.
        vit: The sizes of its image encoder, less deep for a quick look.
        repository: Where it is built, or has been.
        repeats: Rounds.
    """

    name: str
    vit: VitConfig
    repository: Path
    repeats: int

    @property
    def is_whole(self) -> bool:
        """Whether the bounds apply."""
        return self.vit == VARIANTS[self.name]

    @property
    def is_built(self) -> bool:
        """Whether an earlier run has built it."""
        return (self.repository / f"{self.name}_decoder_multi").exists()


@click.command()
@click.option("--model", "models", type=click.Choice([*VARIANTS]), multiple=True, default=("vit_b", "vit_h"))
@click.option("--repeats", default=5, show_default=True, help="Rounds; the median counts.")
@click.option("--depth", type=int, help="Cut the image encoder off after so many blocks; no results are written.")
@click.option(
    "--repository",
    type=click.Path(path_type=Path),
    help="Keep the models there, and take what an earlier run has built.  [default: a temporary folder]",
)
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS, show_default=True, help="The JSON file.")
def encode(models: Sequence[str], repeats: int, depth: int | None, repository: Path | None, output: Path) -> None:
    """Compare image encoders."""
    use_all_cores()
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in models:
            subject = Subject(name, vit_of(name, depth), repository or Path(folder), repeats)
            if not subject.is_built:
                build(subject.name, seeded_reference(subject.vit), subject.repository)
            results[name] = measure(subject)
    if depth is None:
        photo = f"{PHOTO.width}x{PHOTO.height}"
        head = {"unit": "one new photo", "photo": photo, "weights": f"random, seed {SEED}"}
        write_results({"machine": machine(), **head, "models": results}, output)
        click.echo(f"The figures are in {output}.")


def measure(subject: Subject) -> dict[str, Any]:
    """Start the stack, let the contenders take turns, print the table and return its figures."""
    photo = draw_photo_of(0)
    with ExitStack() as opened:
        began = time.perf_counter()
        stack = opened.enter_context(_stack(subject))
        start = time.perf_counter() - began
        client = opened.enter_context(Client(str(stack.endpoints.grpc), timeout=PATIENCE))
        contenders = Contenders(
            reference=ReferenceEncoder(subject.vit, photo),
            service=ServedEncoder(client),
            direct=DirectEncoder(subject.name, subject.repository, photo),
        )
        seconds = contenders.measure(subject.repeats)
        memory = peak_memory(stack.pid("triton"))
    middle = medians(seconds)
    ratios = _ratios(middle, FASTER.get(subject.name) if subject.is_whole else None)
    click.echo("\n" + table(f"{subject.name}: one new photo of {PHOTO.width} x {PHOTO.height} pixels", middle, ratios))
    click.echo(f"  start of the whole stack: {start:.0f} s; peak memory in MiB: {memory}\n")
    return {
        "times": in_milliseconds(seconds),
        "ratios": {ratio.name: ratio.document() for ratio in ratios},
        "embedding_cosine": contenders.require_same_embedding(),
        "stack_start_s": round(start, 1),
        "peak_memory_mib": memory,
    }


def _stack(subject: Subject) -> EmbeddedStack:
    """Make a stack whose gateway, a child process, waits as long as a CPU needs."""
    for bound in ("ENCODE", "DECODE", "REQUEST"):
        os.environ[f"MASKGATE_{bound}_TIMEOUT_SECONDS"] = str(PATIENCE)
    config = StackConfig(
        models=(subject.name,),
        model_repository=subject.repository,
        grpc_port=0,
        http_port=0,
        triton_grpc_port=0,
        triton_metrics_port=0,
    )
    return EmbeddedStack(config, announce=click.echo)


@dataclass(frozen=True, slots=True)
class Contenders:
    """All that encode, each with the same weights."""

    reference: ReferenceEncoder
    service: ServedEncoder
    direct: DirectEncoder

    def measure(self, rounds: int) -> dict[str, list[float]]:
        """Let them take turns; return seconds."""
        whole = {
            REFERENCE_BF16: self.reference.in_bf16,
            REFERENCE: self.reference.in_fp32,
            DIRECT: self.direct.encode,
            SERVICE: self.service.encode,
        }
        seconds = take_turns(whole, rounds, pause=self._between)
        parts = {SERVICE_ENCODE: self.service.encodes, SERVICE_DECODE: self.service.decodes}
        return seconds | {name: times[WARM_UPS:] for name, times in parts.items()}

    def _between(self) -> None:
        self.service.draw_next()
        pause()

    def require_same_embedding(self) -> float:
        """Return the cosine of the reference's embedding, whose last turn was in fp32, and the served graph's.

        Raises:
            RuntimeError: They are of different weights, and their speed says nothing.
        """
        found = cosine(self.reference.embedding(), self.direct.encode())
        if found < LEAST_COSINE:
            raise RuntimeError(f"the repository holds other weights than the reference: cosine {found:.4f}")
        return round(found, 5)


def _ratios(middle: Mapping[str, float], faster: Bound | None) -> list[Ratio]:
    little = None if faster is None else LITTLE_ON_TOP
    return [
        Ratio("reference / service", middle[REFERENCE] / middle[SERVICE], faster),
        Ratio("service / direct", middle[SERVICE] / middle[DIRECT], little),
        Ratio("the gateway's call of the encoder / direct", middle[SERVICE_ENCODE] / middle[DIRECT]),
        Ratio("reference in bf16 / service", middle[REFERENCE_BF16] / middle[SERVICE]),
        Ratio("reference / direct", middle[REFERENCE] / middle[DIRECT]),
    ]


if __name__ == "__main__":
    encode()
