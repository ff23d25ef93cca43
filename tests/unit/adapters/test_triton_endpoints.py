"""Several Tritons, second attempts and deadlines."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2_grpc

from maskgate.adapters.triton import TritonBackend
from maskgate.adapters.triton.retries import RetryBudget
from maskgate.adapters.triton.watching import Retry
from maskgate.domain.call import Call, Deadline
from maskgate.domain.errors import BackendUnavailable, DeadlineExceeded, InferenceFailed, MaskgateError, Overloaded
from maskgate.domain.prompt import MaskSelection
from tests.fakes import CALL, SPEC, FakeDecoder, held
from tests.unit.adapters.test_triton import BOUNDS, SLOTS, TritonLike
from tests.unit.adapters.triton_with_memory import Watched

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from google.protobuf.message import Message
    from tritonclient.grpc.model_config_pb2 import ModelConfig

    from maskgate.adapters.triton import TritonBounds

DRAINING = (grpc.StatusCode.NOT_FOUND, "Request for unknown model: 'tiny_decoder' has no available versions")
EXITING = (grpc.StatusCode.UNAVAILABLE, "Server exiting")
FULL = (grpc.StatusCode.UNAVAILABLE, "[request id: <id_unknown>] Exceeds maximum queue size")
LOST = (grpc.StatusCode.UNAVAILABLE, "Socket closed")
EXPIRED = (grpc.StatusCode.UNAVAILABLE, "Request timeout expired")
WRONG = (grpc.StatusCode.INVALID_ARGUMENT, "unexpected shape for input 'image'")


class Numbered(TritonLike):
    """A Triton whose masks hold its number.

    Attributes:
        failures: How each of the next calls fails; afterwards it answers, or fails with `failure`.
        gate: Calls wait for it.
        cancelled: How many of those that waited were given up.
        timeouts: The time that each call had, in seconds.
        engine: The digest of its weights.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
        self.answers = {
            "best_mask": np.full((1, 1, 32, 32), number, np.float16),
            "best_iou": np.full((1, 1), 0.75, np.float32),
            "image_embeddings": np.full((1, 4, 8, 8), number, np.float16),
        }
        self.failures: list[tuple[grpc.StatusCode, str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.cancelled = 0
        self.timeouts: list[float] = []
        self.engine = SPEC.weights_digest

    async def ModelConfig(self, request: Any, context: Any) -> Message:  # noqa: N802, ANN401 - Triton's
        await self.gate.wait()
        response: Any = await super().ModelConfig(request, context)
        config: ModelConfig = response.config
        if "weights_digest" in config.parameters:
            config.parameters["weights_digest"].string_value = self.engine
        described: Message = response
        return described

    async def ModelInfer(self, request: Any, context: Any) -> Message:  # noqa: N802, ANN401
        self.timeouts.append(context.time_remaining())
        if self.failures:
            self.requests.append(request)
            await context.abort(*self.failures.pop(0))
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return await super().ModelInfer(request, context)


@dataclass
class Tritons:
    """Some of them, and a backend that knows them all."""

    each: list[Numbered]
    backend: TritonBackend
    watched: Watched
    servers: list[grpc.aio.Server]

    @property
    def asked(self) -> list[int]:
        """How often each was asked."""
        return [len(triton.requests) for triton in self.each]

    @property
    def retries(self) -> list[Retry]:
        return [result for _, result in self.watched.retries]

    async def click(self, call: Call = CALL) -> float:
        """Click; what comes back is the number of the Triton that answered."""
        masks = await self.backend.decode(SPEC, held(bytes(512)), SLOTS, MaskSelection.SINGLE, call=call)
        return float(masks.logits[0, 0, 0])


@asynccontextmanager
async def tritons(count: int, bounds: TritonBounds = BOUNDS) -> AsyncIterator[Tritons]:
    each = [Numbered(number) for number in range(count)]
    servers, urls = [], []
    for triton in each:
        server = grpc.aio.server()
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(triton, server)
        urls.append(f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
        await server.start()
        servers.append(server)
    watched = Watched()
    backend = TritonBackend(urls, models=("tiny",), bounds=bounds, watcher=watched)
    try:
        yield Tritons(each, backend, watched, servers)
    finally:
        await backend.close()
        for server in servers:
            await server.stop(grace=None)


async def settled(holds: Any) -> None:  # noqa: ANN401
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - nobody sets an event
            await asyncio.sleep(0.001)


# Which one


async def test_the_less_busy_is_asked() -> None:
    """While one works at calls, the next ones go to the other; then both share them."""
    async with tritons(2) as both:
        await both.backend.ping()
        for triton in both.each:
            triton.gate.clear()
        clicks = [asyncio.create_task(both.click()) for _ in range(6)]
        await settled(lambda: sum(len(triton.timeouts) for triton in both.each) == 6)
        in_flight = [endpoint.in_flight for endpoint in both.backend.endpoints]
        for triton in both.each:
            triton.gate.set()
        await asyncio.gather(*clicks)

    assert [3, 3] == in_flight == both.asked
    assert [0, 0] == [endpoint.in_flight for endpoint in both.backend.endpoints]


async def test_one_that_serves_another_engine_is_idle() -> None:
    """The first says what a model is; embeddings are not sent to other weights, which would read them as their own."""
    async with tritons(2) as both:
        both.each[1].engine = "sha256:" + "1" * 64
        seen = {await both.click() for _ in range(8)}
        spec = await both.backend.spec("tiny")

    assert {0.0} == seen
    assert SPEC == spec


async def test_the_second_leads_while_the_first_is_away() -> None:
    """A model can be described as long as one of them is there."""
    async with tritons(2) as both:
        both.each[1].engine = other = "sha256:" + "1" * 64
        await both.servers[0].stop(grace=None)

        spec = await both.backend.spec("tiny")
        image = await FakeDecoder().prepare(b"", side=64)
        embedding = await both.backend.encode(spec, image)

    assert other == spec.weights_digest
    assert both.each[1].answers["image_embeddings"].tobytes() == embedding


async def test_up_while_one_is() -> None:
    """Of several one is enough to be ready, and the one that is silent is not asked meanwhile."""
    bounds = replace(BOUNDS, describe=0.2)
    async with tritons(2, bounds) as both:
        both.each[0].gate.clear()
        await both.backend.ping()
        seen = {await both.click() for _ in range(8)}
        both.each[1].unready = {"tiny_decoder"}
        with pytest.raises(BackendUnavailable):
            await both.backend.ping()
        both.each[0].gate.set()

    assert {1.0} == seen


# Second attempts


@pytest.mark.parametrize("failure", [DRAINING, EXITING, FULL, LOST])
async def test_another_one_is_asked(failure: tuple[grpc.StatusCode, str]) -> None:
    """What one cannot answer now, because it stops, is full or is lost, the other does."""
    async with tritons(2) as both:
        both.each[0].failure = failure
        seen = {await both.click() for _ in range(8)}

    assert {1.0} == seen
    assert 8 == both.asked[1]
    assert both.asked[0] == len(both.retries)
    assert {Retry.RECOVERED} >= {*both.retries}


async def test_one_that_failed_is_left_out() -> None:
    """A retry costs time and budget, so whoever has failed is not the first to be asked next."""
    async with tritons(2) as both:
        both.each[0].failure = EXITING
        for _ in range(20):
            await both.click()

    assert both.asked[0] <= 1


async def test_encodes_are_repeated_too() -> None:
    """An encode changes nothing either."""
    image = await FakeDecoder().prepare(b"", side=64)
    async with tritons(2) as both:
        for triton in both.each:
            triton.failures = [EXITING]
        with pytest.raises(BackendUnavailable):
            await both.backend.encode(SPEC, image)
        answered = await both.backend.encode(SPEC, image)

    assert answered
    assert [("encode", Retry.FAILED)] == both.watched.retries


async def test_a_lost_connection_is_tried_again() -> None:
    """A single Triton that was restarted while it worked at a click is asked once more."""
    async with tritons(1) as single:
        single.each[0].failures = [LOST]
        seen = await single.click()

    assert 0.0 == seen
    assert [Retry.RECOVERED] == single.retries


async def test_a_restarted_one_is_waited_for() -> None:
    """A click that finds nobody waits for the connection to come back."""
    async with tritons(1, replace(BOUNDS, reconnect=5)) as single:
        await single.click()
        (server,) = single.servers
        port = single.backend.endpoints[0].url.rpartition(":")[2]
        await server.stop(grace=None)
        clicking = asyncio.create_task(single.click())
        await settled(lambda: single.backend.endpoints[0].is_awake("tiny") is False)
        again = grpc.aio.server()
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(single.each[0], again)
        again.add_insecure_port(f"127.0.0.1:{port}")
        await again.start()
        single.servers.append(again)
        seen = await clicking

    assert 0.0 == seen
    assert [Retry.RECOVERED] == single.retries


@pytest.mark.parametrize(
    ("failure", "error"),
    [(DRAINING, BackendUnavailable), (FULL, Overloaded), (EXPIRED, DeadlineExceeded), (WRONG, InferenceFailed)],
)
async def test_what_is_not_repeated_at_the_same(
    failure: tuple[grpc.StatusCode, str], error: type[MaskgateError]
) -> None:
    """A single Triton that is full or stops is not asked twice."""
    async with tritons(1) as single:
        single.each[0].failures = [failure]
        with pytest.raises(error):
            await single.click()

    assert [1] == single.asked
    assert not single.retries


@pytest.mark.parametrize(("failure", "error"), [(EXPIRED, DeadlineExceeded), (WRONG, InferenceFailed)])
async def test_what_is_never_repeated(failure: tuple[grpc.StatusCode, str], error: type[MaskgateError]) -> None:
    """A request that is wrong is wrong elsewhere, and time that has passed does not come back."""
    async with tritons(2) as both:
        for triton in both.each:
            triton.failure = failure
        with pytest.raises(error):
            await both.click()

    assert 1 == sum(both.asked)


async def test_the_budget_runs_dry() -> None:
    """A dead Triton is not sent every click twice: beyond the reserve one in ten is repeated."""
    async with tritons(1, replace(BOUNDS, reconnect=0.001)) as single:
        single.each[0].failure = LOST
        for _ in range(200):
            with pytest.raises(BackendUnavailable):
                await single.click()

    repeated = single.retries.count(Retry.FAILED)
    assert 200 + repeated == single.asked[0]
    assert 60 < repeated < 100
    assert 200 - repeated == single.retries.count(Retry.REFUSED)


async def test_without_a_ratio_nothing_is_repeated() -> None:
    """Whoever wants no second attempts gets none, also of those in reserve."""
    async with tritons(2, replace(BOUNDS, retry_ratio=0)) as both:
        for triton in both.each:
            triton.failure = EXITING
        with pytest.raises(BackendUnavailable):
            await both.click()

    assert 1 == sum(both.asked)


def test_a_budget_is_earned() -> None:
    """Ten calls earn a retry, and no more than the reserve is saved up."""
    budget = RetryBudget(0.125)
    at_once = sum(budget.spend() for _ in range(1000))
    for _ in range(8):
        budget.earn()
    earned = [budget.spend(), budget.spend()]
    for _ in range(10_000):
        budget.earn()

    assert at_once == sum(budget.spend() for _ in range(1000))
    assert [True, False] == earned


# Deadlines


async def test_a_short_deadline_is_a_short_timeout() -> None:
    """Triton is given no more time than the client gives, however long it may take by itself."""
    call = Call(Deadline.after(0.5))
    async with tritons(1, replace(BOUNDS, decode=10)) as single:
        await single.click(call)

    ((timeout,), (request,)) = single.each[0].timeouts, single.each[0].requests
    assert timeout < 0.51
    assert request.parameters["timeout"].int64_param < 500_000


async def test_a_request_may_queue_as_long_as_it_can_be_computed_in_time() -> None:
    """Once it is known what a decode takes, that is left of the deadline when the queue gives it up."""
    call = Call(Deadline.after(100))
    async with tritons(1, replace(BOUNDS, decode=100)) as single:
        await single.backend.ping()
        single.each[0].gate.clear()
        first = asyncio.create_task(single.click(call))
        await asyncio.sleep(0.2)
        single.each[0].gate.set()
        await first
        await single.click(call)

    before, after = [request.parameters["timeout"].int64_param for request in single.each[0].requests]
    assert after <= before - 2 * 200_000


@pytest.mark.parametrize("tier", [0.05, 10])
async def test_a_silent_one_is_given_up(tier: float) -> None:
    """When the client's time or the decoder's is over, that is said, and the request is withdrawn."""
    call = Call(Deadline.after(0.05 if tier > 1 else 10))
    async with tritons(1, replace(BOUNDS, decode=tier)) as single:
        await single.backend.ping()
        single.each[0].gate.clear()
        with pytest.raises(DeadlineExceeded):
            await single.click(call)
        await settled(lambda: single.each[0].cancelled == 1)

    assert not single.retries


async def test_a_cancelled_click_is_withdrawn() -> None:
    """Triton hears that nobody waits for a prompt any more."""
    async with tritons(1) as single:
        await single.backend.ping()
        single.each[0].gate.clear()
        clicking = asyncio.create_task(single.click())
        await settled(lambda: single.each[0].timeouts)
        clicking.cancel()
        await settled(lambda: single.each[0].cancelled == 1)

    assert [0] == single.asked
