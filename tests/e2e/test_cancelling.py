"""Triton 2.51 has races between cancelled requests and their answers (server#7368, #8034): does it survive many?"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from maskgate.domain.prompt import Point, Prompt
from maskgate.transport.grpc._pb import segmentation_pb2 as pb
from maskgate.transport.grpc._pb.segmentation_pb2_grpc import SegmentationServiceStub
from tests.e2e import photos

if TYPE_CHECKING:
    from maskgate.client import Client
    from maskgate.stack import EmbeddedStack

CANCELS = 10_000
AT_ONCE = 32
PROMPT = Prompt((Point(160, 180),))


@pytest.mark.full
async def test_triton_survives_ten_thousand_cancels(stack: EmbeddedStack, client: Client) -> None:
    """Prompts given up at every stage of their way harm neither Triton's process nor later answers."""
    image = client.image(photos.fresh("cat"))
    before, process = image.segment(prompt=PROMPT).found, stack.pid("triton")

    async with grpc.aio.insecure_channel(str(stack.endpoints.grpc)) as channel:
        stub = SegmentationServiceStub(channel)  # type: ignore[no-untyped-call] # generated
        await asyncio.gather(*(give_up_again_and_again(stub, str(image.id), seed) for seed in range(AT_ONCE)))

    assert before == image.segment(prompt=PROMPT).found
    assert process == stack.pid("triton")


async def give_up_again_and_again(stub: Any, image_id: str, seed: int) -> None:  # noqa: ANN401 - generated
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    request = pb.SegmentRequest(image_id=image_id, points=[pb.Point(x=160, y=180)])
    for _ in range(CANCELS // AT_ONCE):
        call = stub.Segment(request, timeout=60)
        await asyncio.wait({asyncio.ensure_future(call.code())}, timeout=chance.uniform(0.0, 0.05))
        call.cancel()
