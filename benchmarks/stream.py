"""A mouse that hovers at 200 prompts a second: on a stream, and as calls of their own, in turn.

    python -m benchmarks.stream [OPTIONS]

The stack is the real one, with lite0. What counts for whoever hovers is how old a mask is when it comes, and whether it
is older than one that came before.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import click
import grpc

from benchmarks.measuring import machine, write_results
from maskgate.client import Client
from maskgate.stack import EmbeddedStack, StackConfig
from maskgate.transport.grpc._pb import segmentation_pb2 as pb
from maskgate.transport.grpc._pb.segmentation_pb2_grpc import SegmentationServiceStub

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

RESULTS: Final = Path(__file__).with_name("results") / "stream.json"
PHOTO: Final = Path("docs/photos/cat.jpg")
PER_SECOND: Final = 200
STREAM, CALLS = "SegmentStream", "Segment"
REFUSED: Final = (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED)


@dataclass
class Hover:
    """What a client saw of one hover.

    Attributes:
        asked: When each prompt was sent, by its sequence.
        answered: Sequences and ages in seconds, in the order in which they came.
        refused: Prompts that were refused.
        seconds: From the first prompt to the last answer.
    """

    asked: dict[int, float] = field(default_factory=dict)
    answered: list[tuple[int, float]] = field(default_factory=list)
    refused: int = 0
    seconds: float = 0.0

    def note(self, sequence: int) -> None:
        """Take an answer."""
        self.answered.append((sequence, perf_counter() - self.asked[sequence]))

    @property
    def late(self) -> int:
        """How many answers came after that of a newer prompt."""
        newest = late = 0
        for sequence, _ in self.answered:
            late += sequence < newest
            newest = max(newest, sequence)
        return late


@click.command()
@click.option("--rounds", default=3, show_default=True, help="Hovers of each kind, in turn.")
@click.option("--prompts", default=1000, show_default=True, help="Prompts in a hover.")
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS, show_default=True, help="The JSON file.")
def stream(*, rounds: int, prompts: int, output: Path) -> None:
    """Hover over a photo."""
    config = StackConfig(grpc_port=0, http_port=0, triton_grpc_port=0, triton_metrics_port=0)
    with EmbeddedStack(config) as stack, Client(str(stack.endpoints.grpc)) as client:
        image_id = str(client.image(PHOTO).id)
        hovers = asyncio.run(take_turns(str(stack.endpoints.grpc), image_id, rounds, prompts))
    figures = {name: summary(each, prompts) for name, each in hovers.items()}
    document = {
        "machine": machine(),
        "prompts": prompts,
        "per_second": PER_SECOND,
        "rounds": rounds,
        "contenders": figures,
        "ratios": {
            f"age of a mask, p50: {CALLS} / {STREAM}": ratio(figures, "age_p50_ms"),
            f"age of a mask, p95: {CALLS} / {STREAM}": ratio(figures, "age_p95_ms"),
        },
    }
    write_results(document, output)
    for name, figure in figures.items():
        click.echo(f"{name:<14}{figure}")


async def take_turns(address: str, image_id: str, rounds: int, prompts: int) -> dict[str, list[Hover]]:
    """Let both hover, once a round; a short hover of each goes before them and is not counted."""
    contenders: dict[str, Callable[[Any, str, int], Awaitable[Hover]]] = {STREAM: on_a_stream, CALLS: in_calls}
    hovers: dict[str, list[Hover]] = {name: [] for name in contenders}
    async with grpc.aio.insecure_channel(address) as channel:
        stub = SegmentationServiceStub(channel)  # type: ignore[no-untyped-call] # generated
        for contender in contenders.values():
            await contender(stub, image_id, PER_SECOND // 4)
        for _ in range(rounds):
            for name, contender in contenders.items():
                hovers[name].append(await contender(stub, image_id, prompts))
    return hovers


async def on_a_stream(stub: Any, image_id: str, prompts: int) -> Hover:  # noqa: ANN401 - generated code is untyped
    """Hover on a stream."""
    hover, began = Hover(), perf_counter()

    async def messages() -> AsyncIterator[pb.SegmentStreamRequest]:
        yield pb.SegmentStreamRequest(target=pb.StreamTarget(image_id=image_id))
        async for sequence in paced(prompts, hover):
            prompt = pb.StreamPrompt(sequence=sequence, prompt=pb.Prompt(points=[place(sequence)]))
            yield pb.SegmentStreamRequest(prompt=prompt)

    async for answer in stub.SegmentStream(messages()):
        if answer.HasField("error"):
            hover.refused += 1
        elif answer.sequence:
            hover.note(answer.sequence)
    hover.seconds = perf_counter() - began
    return hover


async def in_calls(stub: Any, image_id: str, prompts: int) -> Hover:  # noqa: ANN401
    """Hover with a call for each prompt, none of which waits for another."""
    hover, began = Hover(), perf_counter()

    async def one(sequence: int) -> None:
        request = pb.SegmentRequest(image_id=image_id, points=[place(sequence)])
        try:
            await stub.Segment(request, timeout=60)
        except grpc.aio.AioRpcError as error:
            if error.code() not in REFUSED:
                raise
            hover.refused += 1
        else:
            hover.note(sequence)

    async with asyncio.TaskGroup() as calls:
        async for sequence in paced(prompts, hover):
            calls.create_task(one(sequence))
    hover.seconds = perf_counter() - began
    return hover


async def paced(prompts: int, hover: Hover) -> AsyncIterator[int]:
    """Count from 1 at the rate of the mouse, and note when."""
    began = perf_counter()
    for sequence in range(1, prompts + 1):
        hover.asked[sequence] = perf_counter()
        yield sequence
        await asyncio.sleep(began + sequence / PER_SECOND - perf_counter())


def place(sequence: int) -> pb.Point:
    """Say where the mouse is: it goes to and fro over the photo."""
    return pb.Point(x=60.0 + sequence * 7 % 300, y=60.0 + sequence * 3 % 200)


def summary(hovers: list[Hover], prompts: int) -> dict[str, float]:
    """Return a contender's figures: of ages over all rounds, else the medians of the rounds."""
    ages = [1e3 * age for hover in hovers for _, age in hover.answered]
    return {
        "answered": median(len(hover.answered) for hover in hovers),
        "refused": median(hover.refused for hover in hovers),
        "rounds_that_ended_with_the_last_prompt": sum(hover.answered[-1][0] == prompts for hover in hovers),
        "after_a_newer_one": median(hover.late for hover in hovers),
        "answers_per_second": round(median(len(hover.answered) / hover.seconds for hover in hovers), 1),
        "age_p50_ms": round(median(ages), 1),
        "age_p95_ms": round(quantiles(ages, n=20)[-1], 1),
    }


def ratio(figures: dict[str, dict[str, float]], of: str) -> float:
    """Return how many times as large a figure is with calls as on a stream."""
    return round(figures[CALLS][of] / figures[STREAM][of], 2)


if __name__ == "__main__":
    stream()
