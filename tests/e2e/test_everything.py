"""Everything in a photo, through the real stack."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

import grpc
import httpx

from maskgate.transport.grpc._pb import generation_pb2 as pb
from maskgate.transport.grpc._pb.generation_pb2_grpc import GenerationServiceStub
from tests.e2e import photos

if TYPE_CHECKING:
    from maskgate.client import Client
    from maskgate.stack import EmbeddedStack

SEARCH: dict[str, Any] = {"pred_iou_thresh": 0.8, "stability_score_thresh": 0.7}


async def test_both_protocols_find_the_same(stack: EmbeddedStack, client: Client) -> None:
    """A cat is found with its parts, over gRPC and line by line over HTTP, and after a cursor the rest of it."""
    image = client.image(photos.fresh("cat"))
    async with grpc.aio.insecure_channel(str(stack.endpoints.grpc)) as channel:
        stub = GenerationServiceStub(channel)  # type: ignore[no-untyped-call] # generated
        request = pb.GenerateMasksRequest(image_id=str(image.id), points_per_side=8, **SEARCH)
        responses = [response async for response in stub.GenerateMasks(request, timeout=60)]

    lines = _over_http(stack, str(image.id), {"points_per_side": 8, **SEARCH})
    rest = _over_http(stack, str(image.id), {"points_per_side": 8, **SEARCH, "cursor": responses[0].cursor})

    found = [response.mask.mask.rle.counts for response in responses if response.WhichOneof("event") == "mask"]
    assert found
    assert found == [line["mask"]["mask"]["rle"]["counts"] for line in lines if "mask" in line]
    assert [line["cursor"] for line in lines[1:]] == [line["cursor"] for line in rest]
    assert found == [line["mask"]["mask"]["rle"]["counts"] for line in rest if "mask" in line]


def _over_http(stack: EmbeddedStack, image: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    response = httpx.post(f"{stack.endpoints.http}/v1/images/{image}:generate", json=body, timeout=60, trust_env=False)
    return [json.loads(line) for line in response.text.splitlines()]


async def test_a_cancelled_generation_stops_and_lets_others_live(stack: EmbeddedStack, client: Client) -> None:
    """While it runs the gateway answers at once; once it is cancelled Triton decodes no more than what it had begun."""
    image = client.image(photos.fresh("bus"))
    async with grpc.aio.insecure_channel(str(stack.endpoints.grpc)) as channel:
        stub = GenerationServiceStub(channel)  # type: ignore[no-untyped-call] # generated
        call = stub.GenerateMasks(pb.GenerateMasksRequest(image_id=str(image.id), points_per_side=64), timeout=60)
        await call.read()
        begun = _executions(stack)
        async with httpx.AsyncClient(trust_env=False) as http:
            answers = [(await http.get(f"{stack.endpoints.http}/livez")).text for _ in range(20)]
        meanwhile = _executions(stack) - begun
        call.cancel()

    await asyncio.sleep(3)  # two batches take less
    before = _executions(stack)
    await asyncio.sleep(1)

    assert ["ok"] * 20 == answers
    assert meanwhile < 10  # who waits for the models waits for a batch each time
    assert before == _executions(stack)
    assert before < 64


def _executions(stack: EmbeddedStack) -> float:
    text = httpx.get(str(stack.endpoints.triton_metrics), trust_env=False).text
    counts = re.findall(r'^nv_inference_exec_count{.*model="lite0_decoder_multi".*} (\S+)$', text, re.MULTILINE)
    return sum(map(float, counts))
