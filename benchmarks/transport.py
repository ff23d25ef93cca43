"""How an embedding gets to Triton with a click: in shared memory, inline as bytes, and with tritonclient's `infer`.

    python -m benchmarks.transport

The decoder is an instant one (`instant_model.py`), so this is the transport alone: gateway's adapter, gRPC, Triton and
its Python backend, which copies an embedding once more for its process. A turn is a burst of clicks on eight images.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import numpy as np
from tritonclient.grpc import InferInput, InferRequestedOutput
from tritonclient.grpc.aio import InferenceServerClient

from benchmarks.instant_model import INPUTS, OUTPUTS, SIDE, TOKENS, write_repository
from benchmarks.measuring import Ratio, in_milliseconds, machine, medians, table, take_turns, write_results
from maskgate.adapters.slab import SlabShelf
from maskgate.adapters.triton import TritonBackend, TritonBounds
from maskgate.bootstrap.shelf import region_of
from maskgate.domain.call import Call, Deadline
from maskgate.domain.embedding import Embedding, EmbeddingKey
from maskgate.domain.frame import Frame
from maskgate.domain.image import ImageId, ImageSize
from maskgate.domain.model import ModelSpec
from maskgate.domain.prompt import MaskSelection, Point, Prompt, PromptSlots
from maskgate.stack import EmbeddedStack, StackConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.measuring import Contender
    from maskgate.adapters.triton.watching import Registration, Retry, Way

RESULTS: Final = Path("benchmarks", "results", "transport.json")
MODEL: Final = "instant"
IN_FLIGHT: Final = (1, 8)
IMAGES: Final = 8
MEBI: Final = 1 << 20
PREFIX: Final = "maskgate-bench"
SPEC: Final = ModelSpec(
    name=MODEL,
    input_size=1024,
    embedding_shape=(256, 64, 64),
    mask_size=SIDE,
    mask_tokens=TOKENS,
    prompt_slots=8,
    slot_buckets=(8,),
    max_prompts=64,
    weights_digest="",
    precision="",
    preprocessing="",
)
SIZE: Final = ImageSize(1024, 768)
SLOTS: Final = PromptSlots.fill(Prompt((Point(500, 300),)), frame=Frame(SIZE, SPEC.input_size), slots=8)
BOUNDS: Final = TritonBounds(describe=10, encode=10, decode=30, decode_many=30, spec_ttl=60)
SLAB, INLINE, CLIENT = "shared memory (slab)", "pre-serialised bytes (inline)", "tritonclient.grpc.aio infer"

Click = Callable[[int], Awaitable[float]]
"""Clicks on an image by its number, and tells the number that its decoder has seen."""


class Sent:
    """Counts what a backend sends."""

    def __init__(self) -> None:
        self.clicks = 0
        self.bytes = 0

    def sent(self, stage: str, way: Way, size: int) -> None:
        """See Watcher."""
        del stage, way
        self.clicks += 1
        self.bytes += size

    def registered(self, result: Registration) -> None:
        """See Watcher."""

    def retried(self, stage: str, result: Retry) -> None:
        """See Watcher."""

    def stale(self) -> None:
        """See Watcher."""


@dataclass(frozen=True, slots=True)
class Ways:
    """The contenders, and what ours have sent."""

    clicks: dict[str, Click]
    sent: dict[str, Sent]


@click.command()
@click.option("--repeats", default=12, show_default=True, help="Rounds; the median counts.")
@click.option("--requests", default=200, show_default=True, help="Clicks in a turn.")
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS, show_default=True, help="The JSON file.")
def transport(*, repeats: int, requests: int, output: Path) -> None:
    """Compare ways of an embedding to Triton."""
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner, ExitStack() as stack:
        repository = write_repository(Path(folder), model=MODEL)
        triton = stack.enter_context(EmbeddedStack(stack_of(repository)))
        ways = runner.run(open_ways(str(triton.endpoints.triton_grpc), stack, runner))
        document = {str(many): compare(ways, runner, repeats, requests, many) for many in IN_FLIGHT}
        sent = {name: round(sent.bytes / sent.clicks) for name, sent in ways.sent.items()}
    write_results({"machine": machine(), "bytes_a_click": sent, "in_flight": document}, output)
    click.echo(f"The figures are in {output}.")


def stack_of(repository: Path) -> StackConfig:
    """Describe a Triton without the rest."""
    return StackConfig(
        models=(MODEL,),
        model_repository=repository,
        gateway=False,
        redis_url="redis://unused",
        triton_grpc_port=0,
        triton_metrics_port=0,
    )


async def open_ways(address: str, stack: ExitStack, runner: asyncio.Runner) -> Ways:
    """Connect each contender; they are closed with the stack, before Triton."""
    slab = SlabShelf.create(PREFIX, max_bytes=2 * IMAGES * MEBI, slot_bytes=2 * MEBI)
    stack.callback(slab.close)
    sent = {SLAB: Sent(), INLINE: Sent()}
    shared = TritonBackend(
        [address], models=(MODEL,), bounds=BOUNDS, region=region_of(slab, prefix=PREFIX), watcher=sent[SLAB]
    )
    inline = TritonBackend([address], models=(MODEL,), bounds=BOUNDS, watcher=sent[INLINE])
    client = InferenceServerClient(address)
    for opened in (shared, inline, client):
        stack.callback(lambda it: runner.run(it.close()), opened)
    for number in range(IMAGES):
        slab.keep(_key(number), embedding(number)).release()
    clicks = {SLAB: _clicks(shared, slab), INLINE: _clicks(inline, slab), CLIENT: _client_clicks(client)}
    return Ways(clicks, sent)


def embedding(number: int) -> Embedding:
    """Make an embedding that is filled with its image's number."""
    return Embedding(SIZE, np.full(SPEC.embedding_shape, number, np.float16).tobytes())


def compare(ways: Ways, runner: asyncio.Runner, repeats: int, requests: int, in_flight: int) -> dict[str, Any]:
    """Measure all ways in turn; print the table and return its figures."""

    def turn(way: Click) -> Contender:
        return lambda: runner.run(burst(way, requests, in_flight))

    seconds = take_turns({name: turn(way) for name, way in ways.clicks.items()}, repeats)
    middle = {name: value / requests for name, value in medians(seconds).items()}
    ratios = [
        Ratio("inline / shared memory", middle[INLINE] / middle[SLAB]),
        Ratio("tritonclient / shared memory", middle[CLIENT] / middle[SLAB]),
        Ratio("tritonclient / inline", middle[CLIENT] / middle[INLINE]),
    ]
    click.echo(table(f"A click, {in_flight} in flight", middle, ratios))
    return {
        "requests_a_turn": requests,
        "turns": in_milliseconds(seconds),
        "requests_per_second": {name: round(1 / value, 1) for name, value in middle.items()},
        "ratios": {ratio.name: ratio.document() for ratio in ratios},
    }


async def burst(way: Click, requests: int, in_flight: int) -> None:
    """Click so many times, with so many clicks under way.

    Raises:
        RuntimeError: An answer is another image's.
    """
    numbers = iter([number % IMAGES for number in range(requests)])
    wrong = await asyncio.gather(*(_worker(way, numbers) for _ in range(in_flight)))
    if any(wrong):
        raise RuntimeError("an answer was another image's")


async def _worker(way: Click, numbers: Any) -> int:  # noqa: ANN401 - an iterator that all workers share
    return sum([await way(number) != number for number in numbers])


def _clicks(backend: TritonBackend, slab: SlabShelf) -> Click:
    async def one(number: int) -> float:
        held = slab.hold(_key(number))
        assert held is not None  # noqa: S101 - there is a slot for each
        with held:
            call = Call(Deadline.after(60))
            masks = await backend.decode(SPEC, held, SLOTS, MaskSelection.BEST, call=call)
        return float(masks.logits[0, 0, 0])

    return one


def _client_clicks(client: InferenceServerClient) -> Click:
    arrays = [np.full((1, *SPEC.embedding_shape), number, np.float16) for number in range(IMAGES)]
    outputs = [InferRequestedOutput(name) for name in OUTPUTS]

    async def one(number: int) -> float:
        answer = await client.infer(f"{MODEL}_decoder", _inputs(arrays[number]), outputs=outputs)
        return float(answer.as_numpy("best_mask")[0, 0, 0, 0])

    return one


def _inputs(embedding: np.ndarray[Any, Any]) -> Sequence[InferInput]:
    values = {
        "image_embeddings": embedding,
        "point_coords": SLOTS.coords.reshape(1, 1, 8, 2),
        "point_labels": SLOTS.labels.reshape(1, 1, 8),
        "mask_input": np.zeros((1, 1, SIDE, SIDE), np.float16),
        "has_mask_input": np.zeros((1, 1), np.float32),
        "select": np.ones((1, 1), np.float32),
    }
    return [_input(name, kind, values[name]) for name, (kind, _) in INPUTS.items()]


def _input(name: str, kind: str, value: np.ndarray[Any, Any]) -> InferInput:
    tensor = InferInput(name, list(value.shape), kind)
    tensor.set_data_from_numpy(value)
    return tensor


def _key(number: int) -> EmbeddingKey:
    return EmbeddingKey.of(ImageId.of(bytes([number])), SPEC)


if __name__ == "__main__":
    transport()
