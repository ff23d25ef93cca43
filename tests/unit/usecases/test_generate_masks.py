from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pytest

from maskgate.domain.call import Call, Priority
from maskgate.domain.errors import EncoderStarting, Overloaded
from maskgate.domain.generation.events import GeneratedMask, GenerationEvent, GenerationProgress, WithdrawnMask
from maskgate.domain.generation.query import Delivery, GenerationQuery
from maskgate.domain.generation.settings import GenerationSettings
from maskgate.domain.image import ImageId, ImageInfo
from maskgate.domain.mask import DecodedRows
from maskgate.domain.prompt import MaskSelection
from maskgate.usecases.streamed import Room
from tests.everything import Everything
from tests.fakes import CALL, SIZE, SPEC, FakeBackend
from tests.virtual_time import run

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from maskgate.domain.embedding import HeldEmbedding
    from maskgate.domain.generation.events import Told
    from maskgate.domain.model import ModelSpec
    from maskgate.domain.prompt import PromptSlots

_T = TypeVar("_T")

GRID = GenerationSettings(points_per_side=3, pred_iou_thresh=0.4, stability_score_thresh=0.5, points_per_batch=2)


class Scripted(FakeBackend):
    """Answers the n-th point with a box on one of its tokens, as told; the other tokens are empty.

    Attributes:
        calls: What came along.
    """

    def __init__(self, *boxes: tuple[float, tuple[int, int, int, int]]) -> None:
        super().__init__()
        self.boxes = boxes
        self.calls: list[Call] = []
        self._points: dict[tuple[float, float], int] = {}

    async def decode_many(
        self,
        spec: ModelSpec,
        embedding: HeldEmbedding,
        rows: Sequence[PromptSlots],
        selection: MaskSelection,
        *,
        call: Call,
    ) -> DecodedRows:
        assert selection is MaskSelection.ALL
        assert embedding.tensor
        self.calls.append(call)
        self.together.append(len(rows))
        await self.gate.wait()
        logits = np.full((len(rows), 3, spec.mask_size, spec.mask_size), -20, np.float16)
        ious = np.zeros((len(rows), 3), np.float32)
        for row, slots in enumerate(rows):
            x, y = slots.coords[0].tolist()
            number = self._points.setdefault((x, y), len(self._points))
            if number < len(self.boxes):
                ious[row, 1], (left, top, right, bottom) = self.boxes[number]
                logits[row, 1, top:bottom, left:right] = 20
        return DecodedRows(logits, ious, np.tile([1, 2, 3], (len(rows), 1)))


LARGE, SMALL, OTHER = (2, 2, 22, 16), (2, 2, 20, 15), (24, 4, 30, 10)


def names(events: list[GenerationEvent]) -> list[str]:
    """What was told, in short."""
    short = []
    for event in events:
        match event:
            case GeneratedMask():
                short.append(f"+{event.id.point}")
            case WithdrawnMask():
                short.append(f"-{event.id.point}>{event.replaced_by.point}")
            case GenerationProgress():
                short.append(str(event.prompts_done))
            case _:
                short.append(f"={event.masks}")
    return short


async def test_settled_masks_are_never_taken_back() -> None:
    """They come at the end of the crop, best first, without those that gave way."""
    world = Everything(Scripted((0.8, LARGE), (0.7, OTHER), (0.9, SMALL)))

    events = await world.events(GenerationQuery(world.image_id, GRID))

    assert ["2", "4", "6", "8", "9", "+2", "+1", "=2"] == names(events)


async def test_found_masks_are_withdrawn_for_better_ones() -> None:
    """They come with their batch; when a better one turns up it is said which."""
    world = Everything(Scripted((0.8, LARGE), (0.7, OTHER), (0.9, SMALL)))

    events = await world.events(GenerationQuery(world.image_id, GRID, delivery=Delivery.AS_FOUND))

    assert ["2", "+0", "+1", "4", "-0>2", "+2", "6", "8", "9", "=2"] == names(events)


@pytest.mark.parametrize("delivery", Delivery)
async def test_what_gave_way_comes_back(delivery: Delivery) -> None:
    """A mask that gave way to one that gives way itself, to a third that it does not overlap, is decoded again."""
    left, middle, right = (0, 0, 10, 20), (1, 0, 13, 20), (4, 0, 16, 20)
    settings = GenerationSettings(
        points_per_side=3, pred_iou_thresh=0.4, stability_score_thresh=0.5, points_per_batch=1, box_nms_thresh=0.5
    )
    world = Everything(Scripted((0.7, left), (0.8, middle), (0.9, right)))

    events = await world.events(GenerationQuery(world.image_id, settings, delivery=delivery))

    assert 10 == len(world.backend.together)
    told = [name for name in names(events) if not name.isdigit()]
    expected = {
        Delivery.SETTLED: ["+2", "+0", "=2"],
        Delivery.AS_FOUND: ["+0", "-0>1", "+1", "-1>2", "+2", "+0", "=2"],
    }
    assert expected[delivery] == told


@pytest.mark.parametrize("logits_bytes", [1, 1 << 20])
async def test_masks_do_not_depend_on_memory(logits_bytes: int) -> None:
    """Logits that there is no room for are decoded again."""
    world = Everything(Scripted((0.8, LARGE), (0.7, OTHER)), logits_bytes=logits_bytes)

    events = await world.events(GenerationQuery(world.image_id, GRID))

    assert ["+0", "+1", "=2"] == names(events)[-3:]
    assert (6 if logits_bytes == 1 else 5) == len(world.backend.together)


async def test_small_regions_make_duplicates() -> None:
    """A mask that is like another one once its island is gone is dropped, and the one that did not change stays."""
    backend = Scripted((0.9, SMALL), (0.8, LARGE))
    settings = GenerationSettings(
        points_per_side=3, pred_iou_thresh=0.4, stability_score_thresh=0.5, min_mask_region_area=10
    )
    world = Everything(backend)

    events = await world.events(GenerationQuery(world.image_id, settings))

    assert ["+0", "=1"] == names(events)[-2:]


async def test_clicks_go_first() -> None:
    """Its prompts say that nobody waits for each of them."""
    backend = Scripted()
    world = Everything(backend)

    await world.events(GenerationQuery(world.image_id, GRID))

    assert {Priority.BULK} == {call.priority for call in backend.calls}
    assert {CALL.deadline} == {call.deadline for call in backend.calls}


async def test_two_batches_are_under_way() -> None:
    """While one is awaited the next one is there, and no third; who leaves cancels them, and nothing is held."""
    backend = Scripted()
    world = Everything(backend)
    await world.events(GenerationQuery(world.image_id, GRID))
    backend.together.clear()
    backend.gate.clear()

    async with aclosing(world.generate(GenerationQuery(world.image_id, GRID), call=CALL)) as events:
        first = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0.01)
        assert [2, 2] == backend.together
        assert 1 == len(world.l1.held)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)

    assert not world.l1.held


async def test_a_slow_reader_stops_the_work() -> None:
    """What nobody reads is not decoded."""
    settings = GenerationSettings(points_per_side=16, points_per_batch=1)
    backend = Scripted()
    world = Everything(backend)
    await world.events(GenerationQuery(world.image_id, GRID))
    backend.together.clear()

    async with aclosing(world.generate(GenerationQuery(world.image_id, settings), call=CALL)) as events:
        await anext(events)
        await asyncio.sleep(0.02)

    assert len(backend.together) <= 8


def test_a_reader_that_hangs_loses_its_place() -> None:
    """When nothing was read for so long the work ends, and its place is free; what was told can be read, and why."""
    run(_hang())


async def _hang() -> None:
    world = Everything(Scripted(), room=Room(events=2, seconds=60))
    query = GenerationQuery(world.image_id, GRID)
    await world.events(query)

    async with aclosing(world.generate(query, call=CALL)) as events:
        read = [await anext(events)]
        await asyncio.sleep(59)
        assert world.l1.held
        await asyncio.sleep(2)
        assert not world.l1.held
        assert "=0" == names(await world.events(query))[-1]
        read += [await anext(events) for _ in range(2)]
        with pytest.raises(Overloaded, match="Nothing was read for 60 s"):
            await anext(events)

    assert ["2", "4", "6"] == names([told.event for told in read])


async def test_no_more_is_computed_than_a_step_after_it_was_cancelled() -> None:
    """Threads have nothing to do any more, however much there was."""
    steps = []

    async def offload(compute: Callable[[], _T], /) -> _T:
        steps.append(compute)
        await asyncio.sleep(0)
        return compute()

    many = replace(GRID, pred_iou_thresh=0.0, stability_score_thresh=0.0, points_per_side=16)
    world = Everything(Scripted(), offload=offload)
    query = GenerationQuery(world.image_id, many)
    await world.events(query)
    whole = len(steps)
    steps.clear()

    async with aclosing(world.generate(query, call=CALL)) as events:
        await anext(events)
    begun = len(steps)
    await asyncio.sleep(0.01)

    assert begun == len(steps) < whole / 10


async def test_generations_wait_for_each_other() -> None:
    """So many at once, so many waiting, and no for the rest."""
    backend = Scripted()
    world = Everything(backend)
    await world.events(GenerationQuery(world.image_id, GRID))
    backend.gate.clear()
    query = GenerationQuery(world.image_id, GRID)
    waiting = [asyncio.ensure_future(world.events(query)) for _ in range(2)]
    await asyncio.sleep(0.01)

    with pytest.raises(Overloaded):
        await world.events(query)

    backend.gate.set()
    assert names((await asyncio.gather(*waiting))[1])[-1] == "=0"


async def test_a_model_without_a_decoder_of_many() -> None:
    """It is asked point by point."""
    backend = FakeBackend(replace(SPEC, max_prompts=1))
    world = Everything(backend)

    events = await world.events(GenerationQuery(world.image_id, GRID))

    assert not backend.together
    assert 9 == len(backend.decodes)
    assert isinstance(events[-2], GeneratedMask)


CASES = {
    "settled": GenerationQuery(ImageId.of(b"a photo"), GRID),
    "as found": GenerationQuery(ImageId.of(b"a photo"), GRID, delivery=Delivery.AS_FOUND),
    "crops": GenerationQuery(ImageId.of(b"a photo"), replace(GRID, crop_n_layers=1)),
    "small regions": GenerationQuery(ImageId.of(b"a photo"), replace(GRID, min_mask_region_area=10)),
    "small regions as found": GenerationQuery(
        ImageId.of(b"a photo"), replace(GRID, min_mask_region_area=10), delivery=Delivery.AS_FOUND
    ),
}


@pytest.mark.parametrize("notes", ["remembered", "forgotten", "away"])
@pytest.mark.parametrize("case", CASES)
async def test_cut_anywhere_and_resumed_it_is_the_same(case: str, notes: str) -> None:
    """After each of its events a generation can be interrupted: the rest is told, its summary in any case."""
    world = Everything(Scripted((0.8, LARGE), (0.7, OTHER), (0.9, SMALL), (0.6, (0, 0, 32, 24))))
    whole = await world.told(CASES[case])
    expected = [(names([told.event])[0], str(told.cursor)) for told in whole]
    world.notes.is_away = notes == "away"

    for number, told in enumerate(whole, 1):
        if notes == "forgotten":
            world.notes.entries.clear()
        rest = await world.told(replace(CASES[case], cursor=str(told.cursor)))

        told_again = [(names([one.event])[0], str(one.cursor)) for one in rest]
        assert (expected[number:] or expected[-1:]) == told_again


async def test_what_is_noted_is_not_decoded_again() -> None:
    """Only logits of masks that are still to be sent are, and no more than those."""
    backend = Scripted((0.8, LARGE), (0.7, OTHER))
    world = Everything(backend)
    whole = await world.told(GenerationQuery(world.image_id, GRID))
    backend.together.clear()

    await world.told(GenerationQuery(world.image_id, GRID, cursor=str(whole[4].cursor)))

    assert [2] == backend.together


async def test_who_waits_for_an_encoder_takes_no_place() -> None:
    """While an image's generation waits for an encoder to start, one of an image that was encoded before goes on."""
    world = Everything(Scripted((0.8, LARGE)))
    await world.events(GenerationQuery(world.image_id, GRID))
    new = ImageId.of(b"new")
    await world.store.put(ImageInfo(new, SIZE, "FAKE", 3), b"new")
    world.backend.encode_error = EncoderStarting("not yet")
    waiting = asyncio.create_task(read(world.generate(GenerationQuery(new, GRID), call=CALL)))
    async with asyncio.timeout(5):
        await asyncio.sleep(0.01)
        events = await world.events(GenerationQuery(world.image_id, GRID))
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)

    assert "=1" == names(events)[-1]


async def read(told: AsyncGenerator[Told, None]) -> None:
    async with aclosing(told):
        async for _ in told:
            pass
