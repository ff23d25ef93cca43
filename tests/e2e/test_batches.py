"""Many prompts in one call, through the real stack: the same masks, in fewer executions."""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING, Any

import grpc
import httpx
import pytest

from maskgate.domain.image import ImageId
from maskgate.domain.prompt import Multimask, Point
from maskgate.transport.grpc._pb import segmentation_pb2 as pb
from maskgate.transport.grpc._pb.segmentation_pb2_grpc import SegmentationServiceStub
from tests.e2e import photos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from maskgate.client import Client
    from maskgate.stack import EmbeddedStack

    SegmentBatch = Callable[[pb.SegmentBatchRequest], pb.SegmentBatchResponse]

GRID = [(40 + 52 * column, 20 + 35 * row) for row, column in product(range(8), repeat=2)]


@pytest.fixture
def segment_batch(stack: EmbeddedStack) -> Iterator[SegmentBatch]:
    with grpc.insecure_channel(str(stack.endpoints.grpc), options=(("grpc.enable_http_proxy", 0),)) as channel:
        stub: Any = SegmentationServiceStub(channel)  # type: ignore[no-untyped-call] # generated
        yield lambda request: stub.SegmentBatch(request, timeout=60)


def clicks(points: Sequence[tuple[int, int]]) -> list[pb.Prompt]:
    return [pb.Prompt(points=[pb.Point(x=x, y=y)]) for x, y in points]


def counts(part: Any) -> list[list[str]]:  # noqa: ANN401 - a message
    return [[mask.rle.counts for mask in prompt.masks] for prompt in part.prompts]


@pytest.mark.parametrize("count", [1, 15, 16, 17])
@pytest.mark.parametrize("multimask", [Multimask.AUTO, Multimask.ALL])
def test_a_batch_answers_what_the_prompts_would_alone(
    client: Client, segment_batch: SegmentBatch, count: int, multimask: Multimask
) -> None:
    """The best mask bit for bit: the decoder of many computes what that of one does. Of all masks the same ones."""
    image = client.image(photos.fresh("cat"))
    request = pb.SegmentBatchRequest(multimask=f"MULTIMASK_{multimask.name}")  # type: ignore[arg-type] # its name
    request.images.add(image_id=str(image.id), prompts=clicks(GRID[:count]))

    (found,) = segment_batch(request).images

    alone = [image.segment(points=[point], multimask=multimask) for point in GRID[:count]]
    expected = [[mask.rle and mask.rle.counts for mask in answer.found] for answer in alone]
    if multimask is Multimask.AUTO:
        assert expected == counts(found)
    for answer, prompt in zip(alone, found.prompts, strict=True):
        assert [mask.area for mask in answer.found] == pytest.approx([mask.area for mask in prompt.masks], rel=0.02)


def test_many_boxes_are_few_executions(stack: EmbeddedStack, client: Client, segment_batch: SegmentBatch) -> None:
    """64 boxes are one execution of the decoder of many; one more goes to the decoder of one."""
    image = client.image(photos.fresh("bus"))
    boxes = [pb.Prompt(box=pb.Box(x1=x - 30, y1=y - 20, x2=x + 30, y2=y + 20)) for x, y in [*GRID, (200, 150)]]
    image.segment(box=(10, 10, 50, 50))
    before = _executions(stack)

    request = pb.SegmentBatchRequest(images=[pb.ImagePrompts(image_id=str(image.id), prompts=boxes)])
    (found,) = segment_batch(request).images

    many, one = (after - count for after, count in zip(_executions(stack), before, strict=True))
    assert (1, 1) == (many, one)
    assert [1] * 65 == [len(prompt.masks) for prompt in found.prompts]


def test_images_beside_each_other(client: Client, segment_batch: SegmentBatch) -> None:
    """Objects of three photos by their boxes; a photo that is not there, and a box beside one, say so."""
    names = ("cat", "bus", "pizza")
    truths = [photos.truth(name) for name in names]
    images = [client.image(photos.fresh(name)) for name in names]
    boxes = [pb.Box(x1=it.box.x1, y1=it.box.y1, x2=it.box.x2, y2=it.box.y2) for it in truths]
    request = pb.SegmentBatchRequest()
    for image, box in zip(images, boxes, strict=True):
        request.images.add(image_id=str(image.id), prompts=[pb.Prompt(box=box), pb.Prompt(box=pb.Box(x2=9999, y2=1))])
    request.images.add(image_id=str(ImageId.of(b"lost")), prompts=[pb.Prompt(box=boxes[0])])

    *found, lost = segment_batch(request).images

    again = [image.segment(box=it.box).found for image, it in zip(images, truths, strict=True)]
    assert ["IMAGE_NOT_FOUND", 0] == [lost.error.reason, len(lost.prompts)]
    assert ["INVALID_PROMPT"] * 3 == [part.prompts[1].error.reason for part in found]
    assert [masks[0].rle and masks[0].rle.counts for masks in again] == [counts(part)[0][0] for part in found]
    assert all(it.iou(masks[0].pixels) > 0.8 for it, masks in zip(truths, again, strict=True))


def test_forty_clicks(stack: EmbeddedStack, client: Client) -> None:
    """A long prompt is answered over the decoder of many: points all over the cat find it, none of them beside it."""
    truth = photos.truth("cat")
    rows, columns = truth.pixels.nonzero()
    inside = [Point(float(columns[index]), float(rows[index])) for index in range(0, len(rows), len(rows) // 40)][:40]
    before = _executions(stack)

    (mask,) = client.image(photos.fresh("cat")).segment(points=inside).found

    many, one = (after - count for after, count in zip(_executions(stack), before, strict=True))
    assert (1, 0) == (many, one)
    assert truth.iou(mask.pixels) > 0.5


def _executions(stack: EmbeddedStack) -> tuple[float, float]:
    """How often the decoder of many, and that of one, have executed."""
    text = httpx.get(str(stack.endpoints.triton_metrics), trust_env=False).text
    found = dict(re.findall(r'^nv_inference_exec_count{.*model="([^"]+)".*} (\S+)$', text, re.MULTILINE))
    return float(found["lite0_decoder_multi"]), float(found["lite0_decoder"])
