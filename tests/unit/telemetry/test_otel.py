from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from maskgate.bootstrap import CannotServeError, open_gateway
from maskgate.bootstrap.tracing import open_tracing
from maskgate.domain.errors import InvalidPrompt
from maskgate.settings import Settings
from maskgate.telemetry.otel import OtelTracer, create_provider
from maskgate.telemetry.tracing import Untraced
from tests.otlp import receiver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.otlp import Receiver, Span

CALLER = {"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"}
TRACED = Settings(
    grpc_port=0, http_port=0, otlp_endpoint="http://127.0.0.1:9", drain_seconds=0, shared_memory_prefix="otel-test"
)
UNSAMPLED = {"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-00"}


class Kept:
    """A tracer, and the spans that a receiver has got from it."""

    def __init__(self, received: Receiver, *, ratio: float = 1.0) -> None:
        self._received = received
        self._provider = create_provider(received.endpoint, ratio=ratio, version="1")
        self.tracer = OtelTracer(self._provider)

    def spans(self) -> dict[str, Span]:
        self._provider.shutdown()
        return {span.name: span for span in self._received.spans}


@pytest.fixture
def received() -> Iterator[Receiver]:
    with receiver() as opened:
        yield opened


async def test_spans_are_within_what_surrounds_them(received: Receiver) -> None:
    """A call's span continues the caller's trace; what is asked and done, in tasks too, is below it."""
    kept = Kept(received)
    tracer = kept.tracer

    async def ask() -> None:
        with tracer.asking("redis get", kind="x"):
            await asyncio.sleep(0)

    with tracer.serving("Segment", parent=CALLER, protocol="grpc") as served:
        await asyncio.gather(ask(), ask())
        with tracer.doing("pixels"):
            handed_on = dict(tracer.handed_on())
        served.answered("OK", fault=False, cache="l1")
    spans = kept.spans()

    assert served.trace_id == "ab" * 16
    assert {"ab" * 16} == {span.trace for span in spans.values()}
    assert spans["Segment"].parent == "cd" * 8
    assert spans["redis get"].parent == spans["pixels"].parent == spans["Segment"].span
    assert handed_on == {"traceparent": f"00-{'ab' * 16}-{spans['pixels'].span}-01"}
    assert spans["Segment"].attributes == {"protocol": "grpc", "rpc.response.status_code": "OK", "cache": "l1"}


def test_errors_are_told_by_their_reasons(received: Receiver) -> None:
    """No word of an error leaves the gateway: it may be a client's."""
    kept = Kept(received)

    with pytest.raises(InvalidPrompt), kept.tracer.asking("triton decode"):
        raise InvalidPrompt("secret", word="secret")

    assert kept.spans()["triton decode"].attributes == {"error.type": "INVALID_PROMPT"}
    assert b"secret" not in b"".join(received.bodies)


@pytest.mark.parametrize(("parent", "kept_spans"), [({}, 0), (UNSAMPLED, 0), (CALLER, 1)])
def test_a_client_decides_about_its_own_trace(received: Receiver, parent: dict[str, str], kept_spans: int) -> None:
    """The ratio is for traces that begin here; what is not kept is handed on as that."""
    kept = Kept(received, ratio=0.0)

    with kept.tracer.serving("Segment", parent=parent) as served:
        ((_, handed_on),) = kept.tracer.handed_on()

    assert len(kept.spans()) == kept_spans
    assert int(handed_on[-2:], 16) & 1 == kept_spans
    assert (served.trace_id is not None) == bool(kept_spans)


@pytest.mark.parametrize(
    "parent", [{"traceparent": "x" * 99}, {"traceparent": CALLER["traceparent"], "tracestate": ","}]
)
def test_what_is_no_trace_is_none(received: Receiver, parent: dict[str, str]) -> None:
    """A client cannot break a call with what it says of its trace."""
    kept = Kept(received)

    with kept.tracer.serving("Segment", parent=parent):
        pass

    assert len(kept.spans()) == 1


async def test_a_call_closed_by_another_task_is_ended(received: Receiver) -> None:
    """A stream whose client has left is closed by another task than the one that began it."""
    kept = Kept(received)

    @asynccontextmanager
    async def call() -> AsyncIterator[None]:
        with kept.tracer.serving("SegmentStream", parent={}):
            yield

    surrounding = call()
    await asyncio.create_task(surrounding.__aenter__())
    await asyncio.create_task(surrounding.__aexit__(None, None, None))

    assert ["SegmentStream"] == list(kept.spans())


def test_where_nothing_is_kept_nothing_is_handed_on() -> None:
    """Without an endpoint there is no trace to tell of."""
    tracer = Untraced()

    with tracer.serving("Segment", parent=CALLER) as served, tracer.asking("x", y=1), tracer.doing("z"):
        assert tracer.handed_on() == ()
        assert served.trace_id is None


async def test_a_receiver_that_is_away_stops_nobody() -> None:
    """A gateway whose spans nobody takes opens, answers, and ends in time."""
    async with (
        asyncio.timeout(20),
        open_gateway(TRACED) as gateway,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.http_port}", trust_env=False) as client,
    ):
        answer = await client.post("/v1/images:check", json={"image_ids": ["none"]})

    assert answer.status_code == 400


async def test_without_the_extra_tracing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for traces and cannot have them is told what to install."""
    monkeypatch.setitem(sys.modules, "maskgate.telemetry.otel", None)  # which is what a missing module is

    with pytest.raises(CannotServeError, match="otel"):
        async with open_tracing(TRACED):
            pass
