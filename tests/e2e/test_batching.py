"""Many clicks at once share the decoder's executions, as Triton's own counters say."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import grpc
import httpx
import pytest

from maskgate.domain.prompt import Point, Prompt
from maskgate.transport.grpc._pb import segmentation_pb2 as pb
from maskgate.transport.grpc._pb.segmentation_pb2_grpc import SegmentationServiceStub
from tests.e2e import photos

if TYPE_CHECKING:
    from maskgate.client import Client
    from maskgate.domain.image import ImageId
    from maskgate.stack import EmbeddedStack

CLICKS = 200


async def test_burst_of_clicks_is_batched(stack: EmbeddedStack, client: Client) -> None:
    """200 clicks at once on several images are decoded more than four to an execution, each on its own image."""
    images = [client.upload(photos.fresh(name)) for name in ("cat", "bus", "pizza", "cat")]
    alone = [client.segment(image, Prompt((Point(256, 170),))).masks[0] for image in images]
    before = _decoder_counts(stack)
    answers = await _click_at_once(str(stack.endpoints.grpc), images)
    inferences, executions = (after - b for after, b in zip(_decoder_counts(stack), before, strict=True))

    assert CLICKS == inferences
    assert inferences / executions > 4
    for index, answer in enumerate(answers):
        expected = alone[index % len(images)]
        assert answer.masks[0].area == pytest.approx(expected.area, rel=0.02)  # bf16 sums differ with the batch


async def _click_at_once(address: str, images: list[ImageId]) -> list[pb.SegmentResponse]:
    async with grpc.aio.insecure_channel(address) as channel:
        stub = SegmentationServiceStub(channel)  # type: ignore[no-untyped-call] # generated
        requests = (
            pb.SegmentRequest(image_id=str(images[index % len(images)]), points=[pb.Point(x=256, y=170)])
            for index in range(CLICKS)
        )
        return await asyncio.gather(*(stub.Segment(request, timeout=60) for request in requests))


def _decoder_counts(stack: EmbeddedStack) -> tuple[float, float]:
    text = httpx.get(str(stack.endpoints.triton_metrics), trust_env=False).text
    counts = dict(re.findall(r'^(nv_inference_(?:exec_)?count){.*model="lite0_decoder".*} (\S+)$', text, re.MULTILINE))
    return float(counts["nv_inference_count"]), float(counts["nv_inference_exec_count"])
