"""The interceptor around methods of every kind, those that stream too."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from prometheus_client import CollectorRegistry

from maskgate.adapters.open import NoQuotas
from maskgate.domain.errors import InvalidPrompt, Overloaded
from maskgate.telemetry import CallMetrics
from maskgate.transport.calls import CallObserver
from maskgate.transport.grpc.interceptor import ErrorInterceptor
from maskgate.usecases.authenticate_caller import AuthenticateCaller
from maskgate.usecases.charge_tenant import ChargeTenant

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

GARBAGE = b"\x0a\xff"
METHODS = ("Echo", "Join", "Split", "Converse")
STREAMED_TO = ("Join", "Converse")
STREAMED_FROM = ("Split", "Converse")


class Toy:
    """Answers words with words, one method of each kind; "fail" fails, "break" breaks, "hang" never ends.

    Attributes:
        hanging: Set while a method hangs.
        cleaned: Set when a method that hung has cleaned up.
    """

    def __init__(self) -> None:
        self.hanging = asyncio.Event()
        self.cleaned = asyncio.Event()

    async def echo(self, request: StringValue, _call: object) -> StringValue:
        return StringValue(value=await self._said(request.value))

    async def join(self, requests: AsyncIterator[StringValue], _call: object) -> StringValue:
        return StringValue(value=" ".join([await self._said(request.value) async for request in requests]))

    async def split(self, request: StringValue, _call: object) -> AsyncIterator[StringValue]:
        for word in request.value.split():
            yield StringValue(value=await self._said(word))

    async def converse(self, requests: AsyncIterator[StringValue], _call: object) -> AsyncIterator[StringValue]:
        async for request in requests:
            yield StringValue(value=await self._said(request.value))

    async def _said(self, word: str) -> str:
        if word == "fail":
            raise InvalidPrompt("No such word.", word=word)
        if word == "break":
            raise RuntimeError("secret")
        if word == "hang":
            await self._hang()
        return word

    async def _hang(self) -> None:
        self.hanging.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cleaned.set()

    def handlers(self) -> dict[str, grpc.RpcMethodHandler[Any, Any]]:
        messages = {
            "request_deserializer": StringValue.FromString,
            "response_serializer": StringValue.SerializeToString,
        }
        kinds: dict[str, tuple[Any, Any]] = {
            "Echo": (grpc.unary_unary_rpc_method_handler, self.echo),
            "Join": (grpc.stream_unary_rpc_method_handler, self.join),
            "Split": (grpc.unary_stream_rpc_method_handler, self.split),
            "Converse": (grpc.stream_stream_rpc_method_handler, self.converse),
        }
        return {name: create(behaviour, **messages) for name, (create, behaviour) in kinds.items()}


@dataclass
class Outcome:
    """What a client saw: the words that came, then the status, its reason and metadata."""

    words: list[str] = field(default_factory=list)
    code: str = "OK"
    reason: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    message: str = ""


class Client:
    """Sends words to the toy, as a stream where the method takes one.

    A word of a conversation is sent when the one before was answered. A client that still has something to write when
    the server ends the call is told INTERNAL by grpc.aio, which made that up (grpc/aio/_call.py, `_write`): so the
    word that ends a call must be the last one.
    """

    def __init__(self, channel: grpc.aio.Channel, registry: CollectorRegistry) -> None:
        self._channel = channel
        self._registry = registry
        self._answered = asyncio.Semaphore(1)

    def start(self, method: str, *words: str | bytes, timeout: float = 5, service: str = "maskgate.v1.Toy") -> Any:  # noqa: ANN401
        kind = f"{'stream' if method in STREAMED_TO else 'unary'}_{'stream' if method in STREAMED_FROM else 'unary'}"
        call = getattr(self._channel, kind)(f"/{service}/{method}", response_deserializer=StringValue.FromString)
        requests = [word if isinstance(word, bytes) else StringValue(value=word).SerializeToString() for word in words]
        if method == "Converse":
            self._answered = asyncio.Semaphore(1)
            return call(self._one_at_a_time(requests), timeout=timeout)
        return call(iter(requests) if method in STREAMED_TO else requests[0], timeout=timeout)

    async def _one_at_a_time(self, requests: list[bytes]) -> AsyncIterator[bytes]:
        for request in requests:
            await self._answered.acquire()
            yield request

    async def say(self, method: str, *words: str | bytes, **options: Any) -> Outcome:  # noqa: ANN401
        outcome, call = Outcome(), self.start(method, *words, **options)
        try:
            if method in STREAMED_FROM:
                async for response in call:
                    outcome.words.append(response.value)
                    self._answered.release()
            else:
                outcome.words.append((await call).value)
        except grpc.aio.AioRpcError as error:
            _note(error, outcome)
        finally:
            self._answered.release()  # what is not sent any more need not wait
        return outcome

    def counted(self, method: str, code: str) -> float:
        labels = {"protocol": "grpc", "method": method, "code": code}
        return self._registry.get_sample_value("maskgate_requests_total", labels) or 0.0

    @property
    def in_flight(self) -> float | None:
        return self._registry.get_sample_value("maskgate_requests_in_flight", {"protocol": "grpc"})


def _note(error: grpc.aio.AioRpcError, outcome: Outcome) -> None:
    outcome.code, outcome.message = error.code().name, error.details() or ""
    rich, info = rpc_status.from_call(error), error_details_pb2.ErrorInfo()
    if rich is not None and rich.details[0].Unpack(info):
        outcome.reason, outcome.metadata = info.reason, dict(info.metadata)


@pytest.fixture
def toy() -> Toy:
    return Toy()


@asynccontextmanager
async def client_of(toy: Toy, **bounds: Any) -> AsyncIterator[Client]:  # noqa: ANN401 - as CallObserver takes them
    registry = CollectorRegistry()
    bounds = {"max_seconds": 10, "max_calls": 10, **bounds}
    everybody = {"authenticate": AuthenticateCaller(None), "charge": ChargeTenant(NoQuotas())}
    observer = CallObserver(CallMetrics(registry), **everybody, **bounds)
    server = grpc.aio.server(interceptors=[ErrorInterceptor(observer, package="maskgate.v1")])
    services = ("maskgate.v1.Toy", "maskgate.v1.Other", "maskgate.v10.Toy")
    handlers = [grpc.method_handlers_generic_handler(service, toy.handlers()) for service in services]
    server.add_generic_rpc_handlers(tuple(handlers))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        options = (("grpc.enable_http_proxy", 0),)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
            yield Client(channel, registry)
    finally:
        await server.stop(grace=None)


@pytest.fixture
async def client(toy: Toy) -> AsyncIterator[Client]:
    async with client_of(toy) as opened:
        yield opened


@pytest.mark.parametrize(
    ("method", "words", "answered"),
    [
        ("Echo", ["a"], ["a"]),
        ("Join", ["a", "b"], ["a b"]),
        ("Split", ["a b"], ["a", "b"]),
        ("Converse", ["a", "b"], ["a", "b"]),
        ("Join", [], [""]),
        ("Split", [""], []),
        ("Converse", [], []),
    ],
)
async def test_every_kind_is_answered_and_counted_once(
    client: Client, method: str, words: list[str], answered: list[str]
) -> None:
    """Messages pass as they are, however many there are, and a call is one call."""
    outcome = await client.say(method, *words)

    assert Outcome(answered) == outcome
    assert client.counted(method, "OK") == 1


@pytest.mark.parametrize(
    ("method", "words", "before"),
    [
        ("Echo", ["fail"], []),
        ("Join", ["a", "b", "fail"], []),
        ("Split", ["fail a"], []),
        ("Split", ["a fail b"], ["a"]),
        ("Split", ["a b fail"], ["a", "b"]),
        ("Converse", ["fail", "a"], []),
        ("Converse", ["a", "fail", "b"], ["a"]),
        ("Converse", ["a", "b", "fail"], ["a", "b"]),
    ],
)
async def test_an_error_ends_the_call_with_its_reason(
    client: Client, method: str, words: list[str], before: list[str]
) -> None:
    """Before, between and after messages an error is a rich status; what was sent before it arrives."""
    outcome = await client.say(method, *words)

    assert Outcome(before, "INVALID_ARGUMENT", "INVALID_PROMPT", {"word": "fail"}, "No such word.") == outcome
    assert client.counted(method, "INVALID_ARGUMENT") == 1


@pytest.mark.parametrize("method", METHODS)
async def test_the_unforeseen_tells_nothing_of_the_inside(client: Client, method: str) -> None:
    """A bug is INTERNAL, and its text stays in the log."""
    outcome = await client.say(method, "break")

    assert ("INTERNAL", "INTERNAL") == (outcome.code, outcome.reason)
    assert "secret" not in outcome.message


@pytest.mark.parametrize("method", METHODS)
async def test_bytes_that_are_no_message(client: Client, method: str) -> None:
    """Garbage is the client's mistake, as the first message of a stream or a later one."""
    words = ["a", GARBAGE] if method in STREAMED_TO else [GARBAGE]

    outcome = await client.say(method, *words)

    assert (["a"] if method == "Converse" else []) == outcome.words
    assert ("INVALID_ARGUMENT", "INVALID_REQUEST") == (outcome.code, outcome.reason)


@pytest.mark.parametrize("method", METHODS)
async def test_a_cancelled_call_cleans_up(client: Client, toy: Toy, method: str) -> None:
    """A method whose client has gone is cancelled where it waits, and counted as that."""
    call = client.start(method, "hang")
    await asyncio.wait_for(toy.hanging.wait(), 5)

    call.cancel()
    await asyncio.wait_for(toy.cleaned.wait(), 5)
    await _until_idle(client)

    assert client.counted(method, "CANCELLED") == 1


async def test_a_client_that_stops_reading_holds_nothing(client: Client) -> None:
    """A stream that is cancelled between its messages, while the server waits to send, gives its place back."""
    call = client.start("Split", "word " * 100_000)
    await call.read()

    call.cancel()
    await _until_idle(client)

    assert client.counted("Split", "CANCELLED") == 1


async def _until_idle(client: Client) -> None:
    async with asyncio.timeout(5):
        while client.in_flight:  # noqa: ASYNC110 - a gauge sets no event
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("method", METHODS)
async def test_a_call_ends_with_its_deadline(toy: Toy, method: str) -> None:
    """The service's own deadline ends calls of every kind, with its reason."""
    async with client_of(toy, max_seconds=0.1) as client:
        outcome = await client.say(method, "hang")

    assert ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED") == (outcome.code, outcome.reason)
    assert toy.cleaned.is_set()


@pytest.mark.parametrize("method", METHODS)
async def test_a_method_may_have_a_deadline_of_its_own(toy: Toy, method: str) -> None:
    """What takes another time than most calls is bounded by that, whichever is longer."""
    async with client_of(toy, max_seconds=60, method_seconds={method: 0.1}) as client:
        shorter = await client.say(method, "hang")
    async with client_of(toy, max_seconds=0, method_seconds={method: 60}) as client:
        longer = await client.say(method, "a")

    assert ("DEADLINE_EXCEEDED", "OK") == (shorter.code, longer.code)


@pytest.mark.parametrize("method", METHODS)
async def test_calls_beyond_the_bound_are_refused(toy: Toy, method: str) -> None:
    """A call of any kind takes a place."""
    async with client_of(toy, max_calls=0) as client:
        outcome = await client.say(method, *[] if method in STREAMED_TO else ["a"])

    assert ("RESOURCE_EXHAUSTED", Overloaded.reason) == (outcome.code, outcome.reason)


@pytest.mark.parametrize(
    ("service", "reason"),
    [("maskgate.v1.Other", InvalidPrompt.reason), ("maskgate.v10.Toy", "")],
)
async def test_services_are_ours_by_their_package(client: Client, service: str, reason: str) -> None:
    """Every service of the package is surrounded, and none of another package, alike as it may sound."""
    outcome = await client.say("Split", "a fail", service=service)

    assert (["a"], reason) == (outcome.words, outcome.reason)
