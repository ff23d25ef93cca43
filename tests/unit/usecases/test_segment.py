from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from maskgate.adapters.open import NoQuotas
from maskgate.domain.errors import InvalidPrompt, ModelNotFound, Overloaded
from maskgate.domain.image import ImageId, ImageInfo
from maskgate.domain.mask_prompt import LogitsSource, PngSource
from maskgate.domain.prompt import Box, CoordinateSpace, MaskSelection, Multimask, Point, Prompt
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
from maskgate.usecases.segment import Segment, Segmentation
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

PHOTO = b"a photo"
IMAGE_ID = ImageId.of(PHOTO)
CLICK = Prompt((Point(10, 20),))
OTHER = replace(SPEC, name="other", weights_digest="sha256:" + "1" * 64)


class World:
    """Segment and the fakes around it; the image is kept already."""

    def __init__(self, *, concurrency: int = 8, waiting: int = 8) -> None:
        self.backend = FakeBackend(SPEC, OTHER)
        self.l1, self.l2 = FakeShelf(), FakeCache()
        self.store = FakeStore()
        self.masks = FakeMasks()
        embed = EmbedImage(
            watcher=Unwatched(),
            tiers=EmbeddingTiers(self.l1, self.l2, FakeLocks(self.l2)),
            images=owned(self.store),
            charge=ChargeTenant(NoQuotas()),
            store=self.store,
            decoder=FakeDecoder(),
            backend=self.backend,
            admission=Admission(tier="image encoder", concurrency=1, waiting=0),
        )
        decode = Decode(
            backend=self.backend,
            admission=Admission(tier="mask decoder", concurrency=concurrency, waiting=waiting),
        )
        self._segment = Segment(
            embed=embed,
            lay_out=LayOutPrompt(resolve=ResolveMask(shelf=self.masks, reader=FakeMaskReader(), offload=inline)),
            decode=decode,
            render=RenderMasks(
                encoder=FakeMaskEncoder(),
                offload=inline,
                admission=Admission(tier="mask renderer", concurrency=concurrency, waiting=waiting),
            ),
            keep=KeepMasks(shelf=self.masks),
            backend=self.backend,
            default_model=SPEC.name,
        )

    async def segment(
        self, image_id: ImageId, prompt: Prompt, *, multimask: Multimask = Multimask.AUTO, model: str = ""
    ) -> Segmentation:
        return await self._segment(SegmentQuery(image_id, prompt, multimask, model), call=CALL)

    async def keep(self) -> None:
        await self.store.put(ImageInfo(IMAGE_ID, SIZE, "FAKE", len(PHOTO)), PHOTO)


@pytest.fixture
async def world() -> World:
    world = World()
    await world.keep()
    return world


async def test_masks_have_the_size_of_the_image(world: World) -> None:
    """The answer names image and model, and its mask lies in the pixels of the original image."""
    answer = await world.segment(IMAGE_ID, CLICK)

    (mask,) = answer.masks
    assert (IMAGE_ID, "tiny") == (answer.image_id, answer.model)
    assert (SIZE, (30, 40)) == (answer.size, mask.pixels.shape)
    assert (Box(0, 0, 20, 30), 20 * 30) == (mask.box, mask.area)


async def test_the_prompt_reaches_the_decoder_in_its_frame(world: World) -> None:
    """The decoder gets the embedding of the image, and the prompt scaled into the square with its pad point."""
    await world.segment(IMAGE_ID, CLICK)

    (decode,) = world.backend.decodes
    assert world.l1.entries.popitem()[1].tensor == decode.embedding
    assert [16, 32] == decode.slots.coords[0].tolist()
    assert [1, -1, -2, -2, -2, -2, -2, -2] == decode.slots.labels.tolist()


@pytest.mark.parametrize(
    ("multimask", "selection"),
    [
        (Multimask.AUTO, MaskSelection.BEST),
        (Multimask.SINGLE, MaskSelection.SINGLE),
        (Multimask.ALL, MaskSelection.ALL),
        (Multimask.STABLE, MaskSelection.EVERY),
    ],
)
async def test_the_selection_reaches_the_decoder(world: World, multimask: Multimask, selection: MaskSelection) -> None:
    """What is asked for is what the decoder is asked for."""
    await world.segment(IMAGE_ID, CLICK, multimask=multimask)

    assert [selection] == [decode.selection for decode in world.backend.decodes]


async def test_the_best_mask_comes_first(world: World) -> None:
    """Several masks are ordered by predicted IoU, pixels and estimate together."""
    answer = await world.segment(IMAGE_ID, CLICK, multimask=Multimask.ALL)

    assert [0.9, 0.7, 0.5] == [pytest.approx(mask.predicted_iou) for mask in answer.masks]
    second_token, third_token, first_token = [mask.area for mask in answer.masks]
    assert third_token < second_token < first_token


async def test_timing_tells_the_tier(world: World) -> None:
    """The first click is a miss with the encoder's time, the next one a hit without, after a restart one of L2."""
    first = await world.segment(IMAGE_ID, CLICK)
    second = await world.segment(IMAGE_ID, CLICK)
    world.l1.entries.clear()
    third = await world.segment(IMAGE_ID, CLICK)

    timings = [answer.timing for answer in (first, second, third)]
    assert [CacheTier.MISS, CacheTier.L1, CacheTier.L2] == [timing.cache_tier for timing in timings]
    assert [True, False, False] == [timing.encode > 0 for timing in timings]
    for timing in timings:
        assert timing.decode > 0
        assert timing.postprocess > 0
        assert timing.total >= timing.queue + timing.encode + timing.decode + timing.postprocess


async def test_models_have_their_own_embeddings(world: World) -> None:
    """Another model encodes the image again, and is named in the answer."""
    await world.segment(IMAGE_ID, CLICK)

    answer = await world.segment(IMAGE_ID, CLICK, model="other")

    assert "other" == answer.model
    assert world.backend.encodes == 2


async def test_an_unknown_model_is_refused_before_encoding(world: World) -> None:
    """A model that is not served costs nothing."""
    with pytest.raises(ModelNotFound):
        await world.segment(IMAGE_ID, CLICK, model="vit_z")

    assert world.backend.encodes == 0


async def test_a_prompt_too_long_is_refused_before_encoding(world: World) -> None:
    """More points than the model has slots for cost nothing."""
    with pytest.raises(InvalidPrompt, match="too many"):
        await world.segment(IMAGE_ID, Prompt(tuple(Point(1, 1) for _ in range(16))))

    assert (0, 0) == (world.backend.encodes, world.store.reads)


@pytest.mark.parametrize(("points", "slots"), [(7, 8), (8, 16), (15, 16)])
async def test_long_prompts_are_decoded(world: World, points: int, slots: int) -> None:
    """A prompt that the decoder of one prompt has no slots for goes to that of many, as narrow as it takes it."""
    answer = await world.segment(IMAGE_ID, Prompt(tuple(Point(index, 1) for index in range(points))))

    (decode,) = world.backend.decodes
    assert (1, slots) == (len(answer.masks), len(decode.slots.labels))
    assert ([] if slots == 8 else [1]) == world.backend.together
    assert [*[1] * points, -1, *[-2] * (slots - points - 1)] == decode.slots.labels.tolist()


async def test_a_prompt_outside_the_image_is_refused_before_decoding(world: World) -> None:
    """The size of the image comes with its embedding, so no decode is spent on a click beside it."""
    with pytest.raises(InvalidPrompt, match="outside"):
        await world.segment(IMAGE_ID, Prompt((Point(40, 5),)))

    assert [] == world.backend.decodes


async def test_normalised_prompts_reach_the_decoder_in_its_frame(world: World) -> None:
    """Fractions of the image come to the decoder where the same point in pixels would."""
    fractions = Prompt((Point(0.25, 2 / 3),), coordinates=CoordinateSpace.NORMALIZED)

    await world.segment(IMAGE_ID, CLICK)
    await world.segment(IMAGE_ID, fractions)

    pixels, normalised = (decode.slots.coords.tolist() for decode in world.backend.decodes)
    assert pixels == normalised


async def test_masks_reach_the_decoder(world: World) -> None:
    """The decoder gets the logits of a mask, a picture's too, and none without one."""
    sent = np.full((32, 32), 3, np.float16)
    picture = np.zeros((SIZE.height, SIZE.width), np.bool_)
    picture[:, :20] = True

    for mask in (LogitsSource(sent.tobytes()), PngSource(picture.tobytes()), None):
        await world.segment(IMAGE_ID, replace(CLICK, mask=mask))

    logits, drawn, nothing = (decode.slots.mask for decode in world.backend.decodes)
    np.testing.assert_array_equal(sent, logits)
    assert drawn is not None
    assert [[20, -20], [-20, -20]] == drawn[::24, ::16].tolist()
    assert nothing is None


async def test_logits_of_another_model_are_refused_before_encoding(world: World) -> None:
    """Logits of a size that is not the model's cost nothing."""
    with pytest.raises(InvalidPrompt, match="half-precision"):
        await world.segment(IMAGE_ID, Prompt(mask=LogitsSource(bytes(2 * 256 * 256))))

    assert (0, 0) == (world.backend.encodes, world.store.reads)


async def test_the_embedding_is_held_while_it_is_decoded(world: World) -> None:
    """Nothing may take the embedding's place before its masks are there, and nothing keeps it from being taken then."""
    await world.segment(IMAGE_ID, CLICK)
    world.backend.gate.clear()

    clicks = [asyncio.create_task(world.segment(IMAGE_ID, CLICK)) for _ in range(2)]
    await asyncio.sleep(0.01)
    decoding = len(world.l1.held)
    world.backend.gate.set()
    await asyncio.gather(*clicks)

    assert (2, []) == (decoding, world.l1.held)


async def test_a_full_decoder_refuses() -> None:
    """Clicks beyond those at work and those waiting are refused; the others are answered, with the wait they had."""
    world = World(concurrency=1, waiting=1)
    await world.keep()
    await world.segment(IMAGE_ID, CLICK)
    world.backend.gate.clear()
    clicks = [asyncio.create_task(world.segment(IMAGE_ID, CLICK)) for _ in range(3)]
    await asyncio.wait(clicks[2:])
    await asyncio.sleep(0.03)

    world.backend.gate.set()
    working, waiting, refused = await asyncio.gather(*clicks, return_exceptions=True)

    assert isinstance(refused, Overloaded)
    assert not isinstance(working, BaseException)
    assert not isinstance(waiting, BaseException)
    assert working.timing.queue < waiting.timing.queue
    assert waiting.timing.queue >= 0.02
