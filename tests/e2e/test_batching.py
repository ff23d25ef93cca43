"""Many clicks at once share the decoder's executions, as Triton's own counters say."""

from __future__ import annotations

import asyncio
import re
from itertools import cycle, islice, product
from typing import TYPE_CHECKING

import grpc
import httpx

from maskgate.transport.grpc._pb import segmentation_pb2 as pb
from maskgate.transport.grpc._pb.segmentation_pb2_grpc import SegmentationServiceStub
from tests.e2e import photos

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskgate.client import Client, Image
    from maskgate.stack import EmbeddedStack

REQUESTS = 200
CLICKS = ((256, 170), (160, 180), (60, 120), (400, 200))


async def test_burst_of_clicks_is_batched(stack: EmbeddedStack, client: Client) -> None:
    """200 clicks at once are decoded more than four to an execution, and each gets the very mask it gets alone."""
    images = [client.image(photos.fresh(name)) for name in ("cat", "bus", "pizza")]
    cases = list(islice(cycle(product(images, CLICKS)), REQUESTS))
    alone = {case: _click(*case) for case in set(cases)}
    before = _decoder_counts(stack)
    together = await _click_at_once(str(stack.endpoints.grpc), cases)
    inferences, executions = (after - b for after, b in zip(_decoder_counts(stack), before, strict=True))

    assert REQUESTS == inferences
    assert inferences / executions > 4
    assert len(alone) == len(set(alone.values()))  # so that an answer to another request would be noticed
    assert [alone[case] for case in cases] == together


def _click(image: Image, click: tuple[int, int]) -> str:
    return image.segment(points=[click]).best.rle.counts


async def _click_at_once(address: str, cases: Sequence[tuple[Image, tuple[int, int]]]) -> list[str]:
    async with grpc.aio.insecure_channel(address) as channel:
        stub = SegmentationServiceStub(channel)  # type: ignore[no-untyped-call] # generated
        requests = (pb.SegmentRequest(image_id=str(image.id), points=[pb.Point(x=x, y=y)]) for image, (x, y) in cases)
        answers = await asyncio.gather(*(stub.Segment(request, timeout=60) for request in requests))
    return [answer.masks[0].rle.counts for answer in answers]


def _decoder_counts(stack: EmbeddedStack) -> tuple[float, float]:
    text = httpx.get(str(stack.endpoints.triton_metrics), trust_env=False).text
    counts = dict(re.findall(r'^(nv_inference_(?:exec_)?count){.*model="lite0_decoder".*} (\S+)$', text, re.MULTILINE))
    return float(counts["nv_inference_count"]), float(counts["nv_inference_exec_count"])
