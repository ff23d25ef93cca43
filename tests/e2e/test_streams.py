"""Prompts at the rate of a mouse against the real stack, as Triton's own counters tell of them."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc
import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from maskgate.transport.grpc._pb import segmentation_pb2 as pb
from maskgate.transport.grpc._pb.segmentation_pb2_grpc import SegmentationServiceStub
from tests.e2e import photos

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from maskgate.client import Client
    from maskgate.stack import EmbeddedStack

PROMPTS = 1000
PER_SECOND = 200
DECODER = "lite0_decoder"


@dataclass
class Heard:
    """What a client was answered."""

    sequences: list[int] = field(default_factory=list)
    superseded: int = 0
    errors: list[str] = field(default_factory=list)


def place(sequence: int) -> tuple[float, float]:
    """Where the mouse is: it goes to and fro over the photo."""
    return 60.0 + sequence * 7 % 300, 60.0 + sequence * 3 % 200


async def hover_over_grpc(stack: EmbeddedStack, image_id: str, prompts: int) -> Heard:
    async with grpc.aio.insecure_channel(str(stack.endpoints.grpc)) as channel:
        stub: Any = SegmentationServiceStub(channel)  # type: ignore[no-untyped-call] # generated
        call = stub.SegmentStream()
        await call.write(pb.SegmentStreamRequest(target=pb.StreamTarget(image_id=image_id)))
        assert 0 == (await call.read()).sequence
        moving = asyncio.create_task(_move(call, prompts))
        heard = Heard()
        while (answer := await call.read()) is not grpc.aio.EOF:
            heard.sequences.append(answer.sequence)
            heard.superseded += answer.superseded
            heard.errors += [answer.error.reason] if answer.HasField("error") else []
        await moving
    return heard


async def _move(call: Any, prompts: int) -> None:  # noqa: ANN401 - gRPC's calls are untyped
    async for sequence in paced(prompts):
        x, y = place(sequence)
        prompt = pb.StreamPrompt(sequence=sequence, prompt=pb.Prompt(points=[pb.Point(x=x, y=y)]))
        await call.write(pb.SegmentStreamRequest(prompt=prompt))
    await call.done_writing()


async def hover_over_websocket(stack: EmbeddedStack, image_id: str, prompts: int) -> Heard:
    address = str(stack.endpoints.http).replace("http://", "ws://")
    heard = Heard()
    async with connect(f"{address}/v1/stream", proxy=None) as socket:
        await socket.send(json.dumps({"target": {"image_id": image_id}}))
        assert 0 == json.loads(await socket.recv())["sequence"]

        async def move() -> None:
            async for sequence in paced(prompts):
                x, y = place(sequence)
                prompt = {"points": [{"x": x, "y": y}]}
                await socket.send(json.dumps({"prompt": {"sequence": sequence, "prompt": prompt}}))

        moving = asyncio.create_task(move())
        while not heard.sequences or heard.sequences[-1] < prompts:
            answer = json.loads(await socket.recv())
            heard.sequences.append(answer["sequence"])
            heard.superseded += answer["superseded"]
            heard.errors += [answer["error"]["reason"]] if answer["error"] else []
        await moving
    return heard


async def paced(prompts: int) -> AsyncIterator[int]:
    """Count from 1, at the rate of a fast mouse."""
    clock = asyncio.get_running_loop().time
    began = clock()
    for sequence in range(1, prompts + 1):
        yield sequence
        await asyncio.sleep(began + sequence / PER_SECOND - clock())


PROTOCOLS = {"grpc": hover_over_grpc, "websocket": hover_over_websocket}


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_hovering(stack: EmbeddedStack, client: Client, protocol: str) -> None:
    """Of 1,000 prompts at 200 a second answers come in order, the last one too; what is superseded is not decoded."""
    image_id = str(client.image(photos.fresh("cat")).id)
    before, counted = counters(stack), prompts_counted(stack)

    heard = await PROTOCOLS[protocol](stack, image_id, PROMPTS)

    executed = (counters(stack) - before).executed
    results = {result: value - counted[result] for result, value in prompts_counted(stack).items()}
    assert sorted(set(heard.sequences)) == heard.sequences
    assert PROMPTS == heard.sequences[-1]
    assert PROMPTS == len(heard.sequences) + heard.superseded
    assert [] == heard.errors
    assert len(heard.sequences) <= executed <= len(heard.sequences) + results["cancelled"]
    assert (len(heard.sequences), heard.superseded) == (
        results["answered"],
        results["superseded"] + results["cancelled"],
    )


async def test_a_cancelled_prompt_never_executes(stack: EmbeddedStack, client: Client) -> None:
    """While others keep the decoder busy, prompts that sit in Triton's queue are cancelled there, by its own count."""
    image_id = str(client.image(photos.fresh("cat")).id)
    before, counted = counters(stack), prompts_counted(stack)

    async with crowd(stack, image_id) as answered:
        heard = await hover_over_grpc(stack, image_id, PROMPTS // 2)

    told = counters(stack) - before
    results = {result: value - counted[result] for result, value in prompts_counted(stack).items()}
    assert PROMPTS // 2 == heard.sequences[-1] == len(heard.sequences) + heard.superseded
    assert 0 < told.cancelled <= results["cancelled"]
    assert told.executed + told.cancelled <= len(heard.sequences) + answered[0] + results["cancelled"]


async def test_a_gateway_that_stops_says_so(stack: EmbeddedStack, client: Client) -> None:
    """Open streams of both protocols end with SHUTTING_DOWN and not with a broken connection."""
    target = pb.StreamTarget(image_id=str(client.image(photos.fresh("cat")).id))
    address = str(stack.endpoints.http).replace("http://", "ws://")
    async with (
        grpc.aio.insecure_channel(str(stack.endpoints.grpc)) as channel,
        connect(f"{address}/v1/stream", proxy=None) as socket,
    ):
        stub: Any = SegmentationServiceStub(channel)  # type: ignore[no-untyped-call] # generated
        call = stub.SegmentStream()
        await call.write(pb.SegmentStreamRequest(target=target))
        await call.read()
        await socket.send(json.dumps({"target": {"image_id": target.image_id}}))
        await socket.recv()
        await asyncio.to_thread(stack.stop, "gateway")
        over_websocket = json.loads(await socket.recv())["error"]["reason"]
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
        with pytest.raises(grpc.aio.AioRpcError) as aborted:
            await call.read()
    stack.start("gateway")  # in the main thread: a child dies with the thread that began it

    assert ("SHUTTING_DOWN", 4503) == (over_websocket, closed.value.rcvd and closed.value.rcvd.code)
    assert (grpc.StatusCode.UNAVAILABLE, "The gateway is being stopped.") == (
        aborted.value.code(),
        aborted.value.details(),
    )


@asynccontextmanager
async def crowd(stack: EmbeddedStack, image_id: str) -> AsyncIterator[list[int]]:
    """Click from many places, in bursts with pauses, so that queues come and go; yields how many were answered."""
    answered, stopping = [0], asyncio.Event()

    async def bursts(stub: Any) -> None:  # noqa: ANN401
        request = pb.SegmentRequest(image_id=image_id, points=[pb.Point(x=160, y=180)])
        while not stopping.is_set():
            await asyncio.gather(*(stub.Segment(request, timeout=60) for _ in range(48)))
            answered[0] += 48
            await asyncio.sleep(0.3)

    async with grpc.aio.insecure_channel(str(stack.endpoints.grpc)) as channel:
        clicking = asyncio.create_task(bursts(SegmentationServiceStub(channel)))  # type: ignore[no-untyped-call]
        yield answered
        stopping.set()
        await clicking


@dataclass(frozen=True)
class Counters:
    """Triton's, of the decoder: prompts executed, and requests that were cancelled before."""

    executed: float
    cancelled: float

    def __sub__(self, other: Counters) -> Counters:
        return Counters(self.executed - other.executed, self.cancelled - other.cancelled)


def counters(stack: EmbeddedStack) -> Counters:
    text = httpx.get(str(stack.endpoints.triton_metrics), trust_env=False).text
    executed = re.findall(rf'^nv_inference_count{{.*model="{DECODER}".*}} (\S+)$', text, re.MULTILINE)
    failed = re.findall(rf'^nv_inference_request_failure{{(.*model="{DECODER}".*)}} (\S+)$', text, re.MULTILINE)
    cancelled = [float(value) for labels, value in failed if 'reason="CANCELED"' in labels]
    return Counters(sum(map(float, executed)), sum(cancelled))


def prompts_counted(stack: EmbeddedStack) -> dict[str, float]:
    text = httpx.get(f"{stack.endpoints.http}/metrics", trust_env=False).text
    found = re.findall(r'^maskgate_stream_prompts_total{result="(\w+)"} (\S+)$', text, re.MULTILINE)
    return {result: float(value) for result, value in found}
