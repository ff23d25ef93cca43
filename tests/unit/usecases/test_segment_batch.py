from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from maskgate.adapters.open import NoQuotas
from maskgate.domain.batch import Answer, BatchAnswer, BatchQuery, ImagePrompts
from maskgate.domain.call import Call, Priority
from maskgate.domain.errors import (
    BackendUnavailable,
    ImageNotFound,
    InvalidImageId,
    InvalidPrompt,
    InvalidRequest,
    MaskgateError,
    ModelNotFound,
    Overloaded,
)
from maskgate.domain.image import ImageId, ImageInfo
from maskgate.domain.mask_prompt import LogitsSource
from maskgate.domain.output import MaskOutput
from maskgate.domain.prompt import Box, Multimask, Point, Prompt
from maskgate.domain.query import SegmentQuery
from maskgate.domain.timing import CacheTier
from maskgate.usecases.admission import Admission
from maskgate.usecases.charge_tenant import ChargeTenant
from maskgate.usecases.decode import Decode
from maskgate.usecases.embed_image import EmbeddingTiers, EmbedImage
from maskgate.usecases.keep_masks import KeepMasks
from maskgate.usecases.lay_out_prompt import LayOutPrompt
from maskgate.usecases.render_masks import RenderMasks
from maskgate.usecases.resolve_mask import ResolveMask
from maskgate.usecases.segment import Segment
from maskgate.usecases.segment_batch import BatchLimits, SegmentBatch, Steps
from tests.fakes import (
    CALL,
    SIZE,
    SPEC,
    FakeBackend,
    FakeCache,
    FakeDecoder,
    FakeLocks,
    FakeMaskEncoder,
    FakeMaskReader,
    FakeMasks,
    FakeShelf,
    FakeStore,
    Unwatched,
    inline,
    owned,
)

if TYPE_CHECKING:
    from maskgate.domain.image import EncoderImage, Region
    from maskgate.domain.mask import DecodedMasks
    from maskgate.domain.model import ModelSpec
    from tests.fakes import Decode as Asked

PHOTOS = [bytes([number]) * 9 for number in range(6)]
IMAGES = [ImageId.of(photo) for photo in PHOTOS]
CLICK, OUTSIDE = Prompt((Point(10, 20),)), Prompt((Point(40, 5),))
TWO_CLICKS = Prompt((Point(10, 20), Point(3, 4, 0)))
LONG = Prompt(tuple(Point(index, index) for index in range(12)))
TOO_LONG = Prompt(tuple(Point(1, 1) for _ in range(16)))
UNREADABLE = InvalidPrompt("No.")
ALONE = replace(SPEC, name="alone", max_prompts=1, slot_buckets=(8,))


class Decoder(FakeDecoder):
    """Takes any bytes for an image of the grey that is the first of them."""

    async def prepare(self, content: bytes, *, side: int, region: Region | None = None) -> EncoderImage:
        image = await super().prepare(content, side=side, region=region)
        return replace(image, pixels=np.full_like(image.pixels, content[0]))


class Backend(FakeBackend):
    """Finds what depends on the embedding and the prompt's first point.

    Remembers how urgent a decode was, and how many were decoded at once.

    Attributes:
        priorities: Of each decode.
        most: Decodes at once.
    """

    def __init__(self) -> None:
        super().__init__(SPEC, ALONE)
        self.priorities: list[Priority] = []
        self._now = self.most = 0

    async def decode(self, *args: object, call: Call) -> object:  # type: ignore[override]
        self.priorities.append(call.priority)
        return await self._counted(super().decode(*args, call=call))  # type: ignore[arg-type]

    async def decode_many(self, *args: object, call: Call) -> object:  # type: ignore[override]
        self.priorities.append(call.priority)
        return await self._counted(super().decode_many(*args, call=call))  # type: ignore[arg-type]

    async def _masks(self, spec: ModelSpec, asked: Asked) -> DecodedMasks:
        masks = await super()._masks(spec, asked)
        column, row = int(asked.slots.coords[0, 0]) // 2, asked.embedding[0] % 16
        logits = np.full_like(masks.logits, -2)
        logits[:, row:, : column + 1] = 2
        return replace(masks, logits=logits)

    async def _counted(self, decoding: object) -> object:
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            await asyncio.sleep(0)
            return await decoding  # type: ignore[misc]
        finally:
            self._now -= 1


class World:
    """SegmentBatch, Segment and the fakes around them; the images are kept already."""

    def __init__(self, *, images: int = 8, of_all: int = 100, concurrency: int = 4, waiting: int = 64) -> None:
        self.backend, self.shelf, self.store = Backend(), FakeShelf(), FakeStore()
        self.masks, l2 = FakeMasks(), FakeCache()
        self._steps = Steps(
            embed=EmbedImage(
                watcher=Unwatched(),
                tiers=EmbeddingTiers(self.shelf, l2, FakeLocks(l2)),
                images=owned(self.store),
                charge=ChargeTenant(NoQuotas()),
                store=self.store,
                decoder=Decoder(),
                backend=self.backend,
                admission=Admission(tier="image encoder", concurrency=8, waiting=8),
            ),
            lay_out=LayOutPrompt(resolve=ResolveMask(shelf=self.masks, reader=FakeMaskReader(), offload=inline)),
            decode=Decode(backend=self.backend, admission=Admission(tier="mask decoder", concurrency=1, waiting=0)),
            render=RenderMasks(
                encoder=FakeMaskEncoder(),
                offload=inline,
                admission=Admission(tier="mask renderer", concurrency=1, waiting=0),
            ),
            keep=KeepMasks(shelf=self.masks),
        )
        self._batch = SegmentBatch(
            steps=self._steps,
            backend=self.backend,
            admission=Admission(tier="batches", concurrency=concurrency, waiting=waiting),
            limits=BatchLimits(prompts=200, images=images, images_of_all=of_all),
            default_model=SPEC.name,
        )

    async def keep(self, *photos: bytes) -> None:
        for photo in photos:
            await self.store.put(ImageInfo(ImageId.of(photo), SIZE, "FAKE", len(photo)), photo)

    async def batch(self, *images: ImagePrompts, multimask: Multimask = Multimask.AUTO, model: str = "") -> BatchAnswer:
        return await self.ask(BatchQuery(images, multimask, model))

    async def ask(self, query: BatchQuery) -> BatchAnswer:
        return await self._batch(query, call=CALL)

    async def alone(self, image: ImageId, prompt: Prompt, multimask: Multimask, model: str) -> Answer:
        """The answer to a prompt that is asked alone."""
        steps = self._steps
        segment = Segment(
            embed=steps.embed,
            lay_out=steps.lay_out,
            decode=steps.decode,
            render=steps.render,
            keep=steps.keep,
            backend=self.backend,
            default_model=SPEC.name,
        )
        return (await segment(SegmentQuery(image, prompt, multimask, model), call=CALL)).masks


def about(image: ImageId, *prompts: Prompt | InvalidRequest) -> ImagePrompts:
    return ImagePrompts(image, str(image), prompts)


def kinds(answer: BatchAnswer) -> list[list[str]]:
    """What became of each prompt: "masks" or a reason; for an image that failed its reason alone."""
    return [
        [image.error.reason]
        if image.error
        else [part.reason if isinstance(part, MaskgateError) else "masks" for part in image.prompts]
        for image in answer.images
    ]


@pytest.fixture
async def world() -> World:
    world = World()
    await world.keep(*PHOTOS)
    return world


# What comes back


MIXED = (CLICK, TWO_CLICKS, LONG, Prompt(box=Box(1, 2, 30, 20)), replace(CLICK, mask=LogitsSource(bytes(2048))))


@pytest.mark.parametrize("model", ["tiny", "alone"])
@pytest.mark.parametrize("multimask", Multimask)
async def test_a_batch_answers_what_the_prompts_would_alone(world: World, multimask: Multimask, model: str) -> None:
    """Prompts of all kinds, on two images: the same masks as one by one, in the order of the request."""
    prompts = MIXED if model == "tiny" else tuple(prompt for prompt in MIXED if prompt is not LONG)

    together = await world.batch(
        about(IMAGES[0], *prompts), about(IMAGES[1], *prompts[::-1]), multimask=multimask, model=model
    )

    first, second = [[await world.alone(image, prompt, multimask, model) for prompt in prompts] for image in IMAGES[:2]]
    assert [first, second[::-1]] == [list(image.prompts) for image in together.images]
    assert first != second
    assert [(str(image), SIZE) for image in IMAGES[:2]] == [(image.text, image.size) for image in together.images]
    assert model == together.model


async def test_each_prompt_gets_its_own_masks(world: World) -> None:
    """Prompts and images never get each other's answers, also where they differ in kind and come in chunks."""
    columns = (3, 17, 7, 29, 11, 23, 13, 19)
    prompts = [Prompt((Point(x, 5), Point(1, 1))[: 1 + index % 2]) for index, x in enumerate(columns)]

    answer = await world.batch(*(about(image, *prompts) for image in IMAGES))

    boxes = [[part[0].box for part in image.prompts if not isinstance(part, MaskgateError)] for image in answer.images]
    assert [[box and box.x2 for box in found] for found in boxes] == [[box and box.x2 for box in boxes[0]]] * len(
        IMAGES
    )
    assert len({box for found in boxes for box in found}) == len(IMAGES) * len(columns)
    assert sorted(columns) == [x for _, x in sorted(zip((box and box.x2 for box in boxes[0]), columns, strict=True))]


@pytest.mark.parametrize(
    ("count", "together"), [(1, []), (2, [2]), (4, [4]), (5, [4]), (6, [4, 2]), (8, [4, 4]), (9, [4, 4])]
)
async def test_prompts_go_together(world: World, count: int, together: list[int]) -> None:
    """As many as the model takes go to the decoder of many; one that is left over to that of one."""
    answer = await world.batch(about(IMAGES[0], *[CLICK] * count))

    assert [["masks"] * count] == kinds(answer)
    assert together == world.backend.together
    assert count == len(world.backend.decodes)


async def test_a_long_prompt_goes_to_the_decoder_of_many(world: World) -> None:
    """Alone as well; it does not widen the short ones."""
    await world.batch(about(IMAGES[0], CLICK, LONG, CLICK))

    assert [2, 1] == world.backend.together
    assert [8, 8, 16] == [len(decode.slots.labels) for decode in world.backend.decodes]


async def test_without_a_decoder_of_many(world: World) -> None:
    """Prompts go one by one, and long ones are refused."""
    answer = await world.batch(about(IMAGES[0], CLICK, LONG, CLICK), model="alone")

    assert [["masks", "INVALID_PROMPT", "masks"]] == kinds(answer)
    assert [] == world.backend.together


async def test_the_timing_of_a_batch(world: World) -> None:
    """Each image tells its tier and times; those of the call are their sum, and the farthest tier."""
    await world.batch(about(IMAGES[0], CLICK))

    answer = await world.batch(about(IMAGES[0], CLICK, CLICK), about(IMAGES[1], CLICK))

    first, second = (image.timing for image in answer.images)
    assert first
    assert second
    assert answer.timing
    assert [CacheTier.L1, CacheTier.MISS, CacheTier.MISS] == [
        part.cache_tier for part in (first, second, answer.timing)
    ]
    assert first.decode + second.decode == pytest.approx(answer.timing.decode)
    assert (0, True) == (first.encode, second.encode > 0)
    for timing in (first, second):
        assert timing.total >= timing.queue + timing.encode + timing.decode + timing.postprocess > 0


@pytest.mark.parametrize(("handles", "kept"), [(None, 0), (False, 0), (True, 5)])
async def test_masks_are_kept_where_that_is_asked(world: World, handles: bool | None, kept: int) -> None:  # noqa: FBT001
    """A mask that is kept keeps none of those alive that were decoded with it."""
    query = BatchQuery((about(IMAGES[0], *[CLICK] * 5),), output=MaskOutput(handles=handles))

    (image,) = (await world.ask(query)).images

    masks = [masks[0] for masks in image.prompts if not isinstance(masks, MaskgateError)]
    logits = world.masks.entries.values()
    assert {address.handle for address in world.masks.entries} == {mask.handle for mask in masks if mask.handle}
    assert [2 * SPEC.mask_size**2] * kept == [(one if one.base is None else one.base).nbytes for one in logits]


# What fails


async def test_a_prompt_that_fails_does_not_fail_the_others(world: World) -> None:
    """One that could not be read, one that is too long and one outside the image say so in their places."""
    answer = await world.batch(about(IMAGES[0], CLICK, UNREADABLE, OUTSIDE, TOO_LONG, CLICK))

    assert [["masks", *["INVALID_PROMPT"] * 3, "masks"]] == kinds(answer)
    assert UNREADABLE is answer.images[0].prompts[1]


async def test_an_image_that_fails_does_not_fail_the_others(world: World) -> None:
    """One that is not kept, and one whose name is none, say so in their places."""
    nameless = ImagePrompts(InvalidImageId("No."), "cat.jpg", (CLICK,))

    answer = await world.batch(about(ImageId.of(b"lost"), CLICK), nameless, about(IMAGES[0], CLICK))

    assert [["IMAGE_NOT_FOUND"], ["INVALID_IMAGE_ID"], ["masks"]] == kinds(answer)
    assert [0, 0, 1] == [len(image.prompts) for image in answer.images]
    assert "cat.jpg" == answer.images[1].text


async def test_images_that_all_fail_for_one_reason_fail_the_call(world: World) -> None:
    """A client need not look into the parts to learn that nothing was found."""
    with pytest.raises(ImageNotFound):
        await world.batch(about(ImageId.of(b"lost"), CLICK), about(ImageId.of(b"gone"), CLICK))
    world.backend.decode_error = BackendUnavailable("away")
    with pytest.raises(BackendUnavailable):
        await world.batch(about(IMAGES[0], CLICK, CLICK), about(IMAGES[1], CLICK))


async def test_images_that_fail_for_different_reasons(world: World) -> None:
    """Each says its own."""
    nameless = ImagePrompts(InvalidImageId("No."), "cat.jpg", (CLICK,))

    assert [["IMAGE_NOT_FOUND"], ["INVALID_IMAGE_ID"]] == kinds(
        await world.batch(about(ImageId.of(b"lost"), CLICK), nameless)
    )


@pytest.mark.parametrize("prompts", [(), (UNREADABLE,), (UNREADABLE, TOO_LONG)], ids=["none", "one", "two"])
async def test_an_image_without_a_prompt_that_fits_costs_nothing(
    world: World, prompts: tuple[Prompt | InvalidRequest, ...]
) -> None:
    """It is not even encoded, and its size is not known."""
    answer = await world.batch(about(IMAGES[0], *prompts))

    assert [["INVALID_PROMPT"] * len(prompts)] == kinds(answer)
    assert (0, 0) == (world.backend.encodes, world.store.reads)
    assert (None, None, None) == (answer.images[0].size, answer.images[0].timing, answer.timing)


async def test_refusals_of_the_whole(world: World) -> None:
    """No image, too many prompts, and a model that is not there, cost nothing."""
    with pytest.raises(InvalidRequest, match="at least one image"):
        await world.batch()
    with pytest.raises(InvalidRequest, match="201 prompts are too many"):
        await world.batch(about(IMAGES[0], *[CLICK] * 100), about(IMAGES[1], *[CLICK] * 101))
    with pytest.raises(ModelNotFound):
        await world.batch(about(IMAGES[0], CLICK), model="vit_z")

    assert (0, 0) == (world.backend.encodes, world.store.reads)


async def test_a_fault_of_ours_fails_the_call(world: World) -> None:
    """An error that nobody foresaw is no part's."""
    world.backend.decode_error = ZeroDivisionError()

    with pytest.raises(ExceptionGroup) as raised:
        await world.batch(about(IMAGES[0], CLICK), about(IMAGES[1], CLICK))

    assert raised.value.subgroup(ZeroDivisionError)


# Its place among others


async def test_a_batch_takes_no_clicks_place(world: World) -> None:
    """While a batch is at work, a click finds the decoder's and the renderer's only place free; and comes first."""
    await world.batch(about(IMAGES[1], CLICK))
    world.backend.gate.clear()
    batch = asyncio.create_task(world.batch(*(about(image, CLICK, CLICK) for image in IMAGES[:4])))
    await asyncio.sleep(0.01)
    click = asyncio.create_task(world.alone(IMAGES[1], CLICK, Multimask.AUTO, ""))
    await asyncio.sleep(0.01)

    world.backend.gate.set()
    await asyncio.gather(batch, click)

    assert {Priority.BULK, Priority.CLICK} == {*world.backend.priorities}
    assert Priority.BULK is world.backend.priorities[0]
    assert 1 == world.backend.priorities.count(Priority.CLICK)


@pytest.mark.parametrize(("images", "concurrency", "most"), [(1, 4, 1), (2, 4, 2), (6, 3, 3), (6, 6, 6)])
async def test_bounds(images: int, concurrency: int, most: int) -> None:
    """So many images of a call are worked on at once, and so many chunks of all calls are decoded."""
    world = World(images=images, concurrency=concurrency)
    await world.keep(*PHOTOS)

    answer = await world.batch(*(about(image, *[CLICK] * 9) for image in IMAGES))

    assert [["masks"] * 9] * 6 == kinds(answer)
    assert most == world.backend.most


async def test_too_many_chunks_are_refused() -> None:
    """Those that find no place to wait fail their images, and not the others."""
    world = World(concurrency=1, waiting=1)
    await world.keep(*PHOTOS)

    answer = await world.batch(*(about(image, CLICK) for image in IMAGES[:4]))

    assert [["OVERLOADED"], ["OVERLOADED"], ["masks"], ["masks"]] == sorted(kinds(answer))
    assert isinstance(next(image.error for image in answer.images if image.error), Overloaded)


async def test_embeddings_are_held_while_they_are_used(world: World) -> None:
    """Until the last chunk of an image is decoded its embedding stays where it is, and no longer."""
    world.backend.gate.set()
    await world.batch(*(about(image, CLICK) for image in IMAGES[:2]))
    world.backend.gate.clear()
    batch = asyncio.create_task(world.batch(*(about(image, *[CLICK] * 9) for image in IMAGES[:2])))
    await asyncio.sleep(0.01)
    holding = len(world.shelf.held)
    world.backend.gate.set()
    await batch

    assert (2, []) == (holding, world.shelf.held)


async def test_all_batches_together_hold_so_many() -> None:
    """However many batches there are, they leave room for the embeddings that others click on."""
    world = World(of_all=2, concurrency=1)
    await world.keep(*PHOTOS)
    await world.batch(*(about(image, CLICK) for image in IMAGES))
    world.backend.gate.clear()
    batches = [asyncio.create_task(world.batch(*(about(image, CLICK) for image in IMAGES))) for _ in range(3)]
    await asyncio.sleep(0.01)
    holding = len(world.shelf.held)
    world.backend.gate.set()
    answers = await asyncio.gather(*batches)

    assert (2, []) == (holding, world.shelf.held)
    assert [[["masks"]] * 6] * 3 == [kinds(answer) for answer in answers]


async def test_a_batch_that_is_given_up_ends(world: World) -> None:
    """Nothing of it goes on, and nothing stays held."""
    world.backend.gate.clear()
    batch = asyncio.create_task(world.batch(*(about(image, CLICK, CLICK) for image in IMAGES[:2])))
    await asyncio.sleep(0.01)
    batch.cancel()
    with pytest.raises(asyncio.CancelledError):
        await batch
    world.backend.gate.set()
    await asyncio.sleep(0.01)

    assert ([], []) == (world.shelf.held, world.backend.decodes)
