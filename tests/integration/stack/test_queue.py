"""What real Triton does with prompts that queue: whose turn it is, and that nobody waits for them any more."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from maskgate.adapters.triton import TritonBackend, TritonBounds
from maskgate.adapters.triton.prompts import Asked
from maskgate.adapters.triton.wire import Terms
from maskgate.domain.call import Call, Deadline, Priority
from maskgate.domain.errors import DeadlineExceeded, Overloaded
from maskgate.domain.frame import Frame
from maskgate.domain.prompt import MaskSelection, Point, Prompt, PromptSlots
from maskgate.stack import EmbeddedStack, StackConfig
from tests.fakes import SIZE, held
from tests.integration.stack.held_models import HeldDecoder, write_repository

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from maskgate.domain.model import ModelSpec

pytestmark = pytest.mark.slow

BOUNDS = TritonBounds(describe=10, encode=10, decode=60, decode_many=60, spec_ttl=60)
QUEUE_SIZE = 512  # of the committed decoder, for each priority


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> HeldDecoder:
    return write_repository(tmp_path_factory.mktemp("held"))


@pytest.fixture(scope="module")
def stack(decoder: HeldDecoder) -> Iterator[EmbeddedStack]:
    config = StackConfig(
        models=("held",),
        model_repository=decoder.gate.parent / "models",
        gateway=False,
        redis_url="redis://unused",
        triton_grpc_port=0,
        triton_metrics_port=0,
    )
    with EmbeddedStack(config) as running:
        yield running


class Clicks:
    """Prompts on the held decoder, told apart by their x."""

    def __init__(self, backend: TritonBackend, spec: ModelSpec) -> None:
        self.backend = backend
        self.spec = spec
        self._embedding = held(bytes(spec.embedding_bytes))

    def slots(self, x: int) -> PromptSlots:
        frame = Frame(SIZE, max(SIZE.width, SIZE.height))  # so that x stays x
        return PromptSlots.fill(Prompt((Point(x, 1),)), frame=frame, slots=self.spec.prompt_slots)

    def start(self, x: int, *, seconds: float = 50, priority: Priority = Priority.CLICK) -> asyncio.Task[object]:
        call = Call(Deadline.after(seconds), priority)
        selection = MaskSelection.SINGLE
        return asyncio.create_task(
            self.backend.decode(self.spec, self._embedding, self.slots(x), selection, call=call), name=str(x)
        )

    async def queue_for(self, seconds: float) -> None:
        """Send a prompt that may queue so long, but whose caller would wait for ever. Raises MaskgateError."""
        asked = Asked(self.spec, self._embedding, (self.slots(1),), MaskSelection.SINGLE, many=False)
        request = asked.request(self._embedding.tensor, bytes, Terms(Priority.CLICK, seconds))
        (endpoint,) = self.backend.endpoints
        await endpoint.infer(self.spec.name, request, deadline=Deadline.after(50))


@asynccontextmanager
async def clicks_on(stack: EmbeddedStack, decoder: HeldDecoder) -> AsyncIterator[Clicks]:
    backend = TritonBackend([str(stack.endpoints.triton_grpc)], models=("held",), bounds=BOUNDS)
    decoder.hold()
    try:
        yield Clicks(backend, await backend.spec("held"))
    finally:
        decoder.release()
        await backend.close()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - the decoder is another process
            await asyncio.sleep(0.005)


async def test_clicks_overtake_bulk(stack: EmbeddedStack, decoder: HeldDecoder) -> None:
    """Of what queues, clicks are decoded before what came first but is one of many."""
    async with clicks_on(stack, decoder) as clicks:
        working = clicks.start(10)
        await until(lambda: decoder.begun == [10])
        bulk = [clicks.start(x, priority=Priority.BULK) for x in (11, 12, 13)]
        await asyncio.sleep(0.3)
        click = clicks.start(14)
        await asyncio.sleep(0.3)
        decoder.release()
        await asyncio.gather(working, click, *bulk)
        begun = decoder.begun

    assert [10, 14, 11, 12, 13] == begun[:2] + sorted(begun[2:])


async def test_what_has_queued_too_long_is_never_decoded(stack: EmbeddedStack, decoder: HeldDecoder) -> None:
    """Triton drops a prompt whose time in the queue is over, and says that it was too late."""
    async with clicks_on(stack, decoder) as clicks:
        working = clicks.start(10)
        await until(lambda: decoder.begun == [10])
        late = asyncio.create_task(clicks.queue_for(0.2))
        await asyncio.sleep(0.5)
        decoder.release()
        with pytest.raises(DeadlineExceeded):
            await late
        await working
        await clicks.start(20)
        begun = decoder.begun

    assert [10, 20] == begun


async def test_a_cancelled_prompt_is_never_decoded(stack: EmbeddedStack, decoder: HeldDecoder) -> None:
    """A prompt in Triton's queue whose caller goes away, or whose time is over, leaves it."""
    async with clicks_on(stack, decoder) as clicks:
        working = clicks.start(10)
        await until(lambda: decoder.begun == [10])
        cancelled, late = clicks.start(11), clicks.start(12, seconds=0.3)
        await asyncio.sleep(0.3)
        cancelled.cancel()
        with pytest.raises(DeadlineExceeded):
            await late
        await asyncio.sleep(0.2)
        decoder.release()
        await working
        await clicks.start(20)
        begun = decoder.begun

    assert [10, 20] == begun


async def test_a_full_queue_is_overload(stack: EmbeddedStack, decoder: HeldDecoder) -> None:
    """What finds no place in Triton's queue is told so, with a time to try again; it would help to ask another one."""
    async with clicks_on(stack, decoder) as clicks:
        queued = [clicks.start(10) for _ in range(QUEUE_SIZE + 8)]
        done, _ = await asyncio.wait(queued, return_when=asyncio.FIRST_COMPLETED, timeout=20)
        for task in queued:
            task.cancel()
        ended = await asyncio.gather(*queued, return_exceptions=True)

    assert {Overloaded} == {type(task.exception()) for task in done}
    assert {Overloaded, asyncio.CancelledError} == set(map(type, ended))
