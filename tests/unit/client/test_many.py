from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from maskgate.client import AsyncClient, CacheTier, Client, Point, Progress, Prompt, StreamAnswer, errors
from maskgate.client._everything import Search
from maskgate.client._retries import Retries
from maskgate.transport.grpc._pb import generation_pb2 as pb
from tests import pictures

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from maskgate.client import Thing
    from tests.unit.client.conftest import Served
    from tests.unit.transport.world import World

PHOTO = pictures.png(40, 30)
GRID = {"points_per_side": 4, "pred_iou_thresh": 0.1, "stability_score_thresh": 0.1}


async def test_many_prompts_in_one_call(client: AsyncClient, world: World) -> None:
    """Each prompt has its masks or its error, in the order of the prompts, by one call."""
    image = await client.image(PHOTO)
    prompts = [Prompt((Point(5, 5),)), Prompt((Point(1000, 5),)), Prompt((Point(6, 6),))]

    one, wrong, other = await image.segment_many(prompts, multimask="all")

    alone = await image.segment(prompt=prompts[0], multimask="all", handles=False)
    assert not isinstance(one, errors.MaskgateError)
    assert not isinstance(other, errors.MaskgateError)
    np.testing.assert_array_equal(alone.masks, one.masks)
    assert prompts[2] == other.prompt
    assert isinstance(wrong, errors.InvalidPrompt)
    assert 1 == world.answered("grpc", "SegmentBatch", "OK")


async def test_many_prompts_on_a_forgotten_image(client: AsyncClient) -> None:
    """A batch uploads its image again, too."""
    image = await client.image(PHOTO)
    await image.delete()

    (found,) = await image.segment_many([Prompt((Point(5, 5),))])

    assert not isinstance(found, errors.MaskgateError)


async def test_no_prompts(client: AsyncClient) -> None:
    """Nothing to ask makes no sense."""
    image = await client.image(PHOTO)

    with pytest.raises(ValueError, match="there must be prompts"):
        await image.segment_many([])


async def test_encoding_ahead(client: AsyncClient, world: World) -> None:
    """An image that was encoded ahead is segmented without an encode; its embedding can be had."""
    image = await client.image(PHOTO)

    tiers = [await image.encode(), await image.encode()]
    embedding = await image.embedding()

    assert [CacheTier.MISS, CacheTier.L1] == tiers
    assert ((4, 8, 8), np.float16) == (embedding.shape, embedding.dtype)
    assert 1 == world.backend.encodes


async def test_everything_is_iterated(client: AsyncClient) -> None:
    """Things come one by one with their masks and points, and the progress is told."""
    image, told = await client.image(PHOTO), []

    things = [thing async for thing in image.everything(**GRID, on_progress=told.append)]  # type: ignore[arg-type]

    assert things
    assert len(things) == len({thing.id for thing in things})
    assert all(thing.mask.pixels.shape == (30, 40) for thing in things)
    assert 16 == told[-1].prompts_done == told[-1].prompts_total
    assert {Progress} == {*map(type, told)}


async def test_giving_up_a_search(client: AsyncClient, world: World) -> None:
    """Who stops iterating cancels the search: the gateway answers nothing more."""
    image = await client.image(PHOTO)
    async with aclosing(image.everything(**GRID)) as things:  # type: ignore[type-var, arg-type]
        async for _ in things:
            break

    async with asyncio.timeout(5):
        while world.in_flight("grpc"):  # noqa: ASYNC110 - a number sets no event
            await asyncio.sleep(0.001)


class CutOff:
    """A gateway whose connection is lost after each event of a search."""

    seconds = 60.0

    def __init__(self, responses: list[pb.GenerateMasksResponse]) -> None:
        self.retries = Retries(2, sleep=_at_once)
        self.generation = self
        self.GenerateMasks = None
        self._responses = responses
        self.cursors: list[str] = []

    async def listen(self, _method: object, request: pb.GenerateMasksRequest) -> AsyncIterator[Any]:
        self.cursors.append(request.cursor)
        after = int(request.cursor or 0)
        for response in self._responses[after : after + 1]:
            yield response
        if after + 1 < len(self._responses):
            raise errors.Unavailable("Lost.")


async def _at_once(_seconds: float) -> None:
    pass


async def test_a_search_goes_on_where_it_was() -> None:
    """After a lost connection the last cursor is sent: nothing comes twice, and nothing is left out."""
    made = [pb.GenerateMasksResponse(mask=pb.GeneratedMask(id=f"{n}"), cursor=f"{n + 1}") for n in range(4)]
    gateway = CutOff(made)

    things: list[Thing] = [thing async for thing in Search(gateway, "sha256:…", {}).things()]  # type: ignore[arg-type]

    assert ["0", "1", "2", "3"] == [thing.id for thing in things]
    assert ["", "1", "2", "3"] == gateway.cursors


async def test_a_stream_answers_the_newest(client: AsyncClient) -> None:
    """Whoever points never waits; answers come in order, and the last prompt has one."""
    image = await client.image(PHOTO)
    async with image.stream() as stream:
        for x in range(20):
            last = stream.send(points=[(x, 5)])
        stream.finish()
        answers = [answer async for answer in stream]

    sequences = [answer.sequence for answer in answers]
    assert sorted(set(sequences)) == sequences
    assert 20 == last == sequences[-1]
    assert answers[-1].found[0].pixels.shape == (30, 40)


async def test_a_stream_waits_for_its_image(client: AsyncClient, world: World) -> None:
    """No prompt is sent before the image is at hand: who writes when a call ends is not told why it ended."""
    image = await client.image(PHOTO)
    world.backend.gate.clear()
    async with image.stream() as stream:
        stream.send(points=[(5, 5)])
        stream.finish()
        answers = asyncio.ensure_future(_all(stream))
        await world.until_heard(1)
        await asyncio.sleep(0.02)
        heard = world.overheard.messages
        world.backend.gate.set()

        assert (1, 1) == (heard, len(await answers))


async def test_a_stream_about_an_image_that_is_gone(client: AsyncClient) -> None:
    """Whoever streams is told why it ended, however soon a prompt was sent."""
    image = await client.image(PHOTO)
    await image.delete()

    async with image.stream() as stream:
        stream.send(points=[(5, 5)])
        with pytest.raises(errors.ImageNotFound):
            await _all(stream)


async def _all(stream: Any) -> list[StreamAnswer]:  # noqa: ANN401 - of a class that nobody need name
    return [answer async for answer in stream]


async def test_a_wrong_prompt_of_a_stream(client: AsyncClient) -> None:
    """A prompt that fails is told in its answer, and the next is answered."""
    image, answers = await client.image(PHOTO), []
    async with image.stream("normalized") as stream:
        stream.send(points=[(7, 7)])
        async for answer in stream:
            answers.append(answer)
            stream.send(points=[(0.5, 0.5)])
            if len(answers) == 2:
                stream.finish()

    assert isinstance(answers[0].error, errors.InvalidPrompt)
    assert answers[1].found


async def test_all_of_it_for_those_who_wait(served: Served) -> None:
    """A program without an event loop iterates, streams and asks many at once."""

    def program() -> tuple[list[Thing], list[StreamAnswer], int]:
        with Client(served.address) as client:
            image = client.image(PHOTO)
            with image.stream() as stream:
                stream.send(points=[(5, 5)])
                stream.finish()
                answers = list(stream)
            things = list(image.everything(**GRID))  # type: ignore[arg-type]
            first = next(iter(image.everything(**GRID)))  # type: ignore[arg-type]
            assert first.id == things[0].id
            return things, answers, len(image.segment_many([Prompt((Point(5, 5),))]))

    things, answers, many = await asyncio.to_thread(program)

    assert things
    assert [1] == [answer.sequence for answer in answers]
    assert 1 == many
