from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import grpc
import numpy as np
import pytest

from maskgate.adapters.slab import ZERO_BYTES, SlabShelf, is_dead
from maskgate.adapters.triton import Region, TritonBackend
from maskgate.adapters.triton.watching import Registration, Way
from maskgate.domain.embedding import Embedding, EmbeddingKey
from maskgate.domain.errors import InferenceFailed
from maskgate.domain.frame import Frame
from maskgate.domain.image import ImageId
from maskgate.domain.prompt import MaskSelection, Point, Prompt, PromptSlots
from tests.fakes import CALL, SIZE, SPEC
from tests.unit.adapters.triton_with_memory import TritonWithMemory, Watched, sharing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from maskgate.domain.embedding import HeldEmbedding
    from maskgate.domain.model import ModelSpec

SLOTS = PromptSlots.fill(Prompt((Point(10, 20),)), frame=Frame(SIZE, 64), slots=8)
IMAGES = [EmbeddingKey.of(ImageId.of(bytes([number])), SPEC) for number in range(60)]
REFUSED = (grpc.StatusCode.INTERNAL, "Unable to open shared memory region: '/x'")


@dataclass
class Shared:
    """A slab, and the region that Triton is told of."""

    slab: SlabShelf
    region: Region

    @classmethod
    def create(cls, folder: Path, *, slots: int = 3, slot_bytes: int = 4096) -> Shared:
        slab = SlabShelf.create("test", max_bytes=slots * slot_bytes, slot_bytes=slot_bytes, folder=folder)
        region = Region(
            name=slab.segment.name,
            key=slab.segment.key,
            size=slab.segment.size,
            zeros=(slab.zeros_offset, ZERO_BYTES),
            is_current=slab.is_current,
            is_dead=partial(is_dead, prefix="test", folder=folder),
        )
        return cls(slab, region)

    def hold(self, number: int, *, spec: ModelSpec = SPEC) -> HeldEmbedding:
        """Hold an image's embedding, which is made of its number."""
        embedding = Embedding(SIZE, bytes([number]) * spec.embedding_bytes)
        return self.slab.hold(IMAGES[number]) or self.slab.keep(IMAGES[number], embedding)


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Shared]:
    shared = Shared.create(tmp_path)
    yield shared
    shared.slab.close()


@pytest.fixture
def triton(tmp_path: Path) -> TritonWithMemory:
    return TritonWithMemory(tmp_path)


async def click(backend: TritonBackend, shared: Shared, number: int) -> float:
    """Click on an image; what comes back is the number of the image that Triton saw."""
    with shared.hold(number) as held:
        masks = await backend.decode(SPEC, held, SLOTS, MaskSelection.BEST, call=CALL)
    assert masks.logits.min() == masks.logits.max()
    return float(masks.logits[0, 0, 0])


def ways(watched: Watched) -> list[Way]:
    return [way for way, _ in watched.ways]


# A click names its embedding


async def test_a_click_names_its_embedding(shared: Shared, triton: TritonWithMemory) -> None:
    """Neither the embedding nor the zeros of a mask input that is not there are sent; the prompt is."""
    async with sharing(triton, shared.region) as backend:
        seen = [await click(backend, shared, number) for number in (7, 9, 7)]

    request = triton.requests[0]
    assert [7, 9, 7] == seen
    assert {"image_embeddings", "mask_input"} == {tensor.name for tensor in request.inputs if tensor.parameters}
    assert [SLOTS.coords.tobytes(), SLOTS.labels.tobytes()] == list(request.raw_input_contents[:2])
    assert [64, 32, 4, 4] == list(map(len, request.raw_input_contents))
    assert 1 == triton.registrations


async def test_a_mask_is_sent_beside_a_named_embedding(shared: Shared, triton: TritonWithMemory) -> None:
    """Of a click that starts from a mask the embedding stays where it is; the mask goes along."""
    mask = np.random.default_rng(3).normal(size=(32, 32)).astype(np.float16)
    async with sharing(triton, shared.region) as backend:
        with shared.hold(7) as held:
            masks = await backend.decode(SPEC, held, replace(SLOTS, mask=mask), MaskSelection.BEST, call=CALL)

    (request,) = triton.requests
    assert {"image_embeddings"} == {tensor.name for tensor in request.inputs if tensor.parameters}
    assert mask.tobytes() == request.raw_input_contents[2]
    assert [64, 32, 2048, 4, 4] == list(map(len, request.raw_input_contents))
    assert 7 == masks.logits.max()


async def test_a_warm_click_is_a_small_message(tmp_path: Path) -> None:
    """With SAM's sizes less than 200 kB go to Triton for a click (the bound of the contract), in truth 1 kB."""
    sam = replace(SPEC, input_size=1024, embedding_shape=(256, 64, 64), mask_size=256)
    shared, triton, watched = (
        Shared.create(tmp_path, slot_bytes=sam.embedding_bytes),
        TritonWithMemory(tmp_path),
        Watched(),
    )
    async with sharing(triton, shared.region, watched) as backend:
        for _ in range(3):
            with shared.hold(5, spec=sam) as held:
                await backend.decode(sam, held, SLOTS, MaskSelection.BEST, call=CALL)
    shared.slab.close()

    received = [request.ByteSize() for request in triton.requests]
    assert [(Way.SHARED, size) for size in received] == watched.ways
    assert max(received) < 1024


@pytest.mark.parametrize("prompts", [1, 64])
async def test_many_prompts_are_a_small_message(tmp_path: Path, prompts: int) -> None:
    """With SAM's sizes the zeros of 64 mask inputs that are not there, 8 MiB, are named as those of one are."""
    sam = replace(SPEC, input_size=1024, embedding_shape=(256, 64, 64), mask_size=256, max_prompts=64)
    shared, triton, watched = (
        Shared.create(tmp_path, slot_bytes=sam.embedding_bytes),
        TritonWithMemory(tmp_path),
        Watched("decode_many"),
    )
    async with sharing(triton, shared.region, watched) as backend:
        with shared.hold(5, spec=sam) as held:
            await backend.decode_many(sam, held, [SLOTS] * prompts, MaskSelection.SINGLE, call=CALL)
    shared.slab.close()

    ((way, size),) = watched.ways
    assert Way.SHARED is way
    assert size < 1024 + prompts * 128


async def test_what_has_no_place_is_sent(shared: Shared, triton: TritonWithMemory) -> None:
    """While all slots are held, a further embedding goes the way it would without shared memory."""
    watched = Watched()
    async with sharing(triton, shared.region, watched) as backend:
        holders = [shared.hold(number) for number in range(3)]
        seen = await click(backend, shared, 30)
        for held in holders:
            held.release()

    assert (30, [Way.INLINE]) == (seen, ways(watched))


async def test_a_triton_elsewhere_is_sent_embeddings(shared: Shared, triton: TritonWithMemory) -> None:
    """One that cannot map the memory is asked once, and gets embeddings as they are from then on."""
    triton.registration_failure, watched = REFUSED, Watched()
    async with sharing(triton, shared.region, watched) as backend:
        seen = [await click(backend, shared, number) for number in range(5)]

    assert [0, 1, 2, 3, 4] == seen
    assert [Way.INLINE] * 5 == ways(watched)
    assert [Registration.REFUSED] == watched.registrations
    assert 1 == triton.registrations


@pytest.mark.parametrize(
    ("code", "details", "result"),
    [
        ("UNAVAILABLE", "failed to connect to all addresses", Registration.AWAY),
        ("DEADLINE_EXCEEDED", "Deadline Exceeded", Registration.AWAY),
        (
            "UNAVAILABLE",
            "This protocol is restricted, expecting header 'triton-grpc-protocol-admin'",
            Registration.REFUSED,
        ),
        ("UNIMPLEMENTED", "", Registration.REFUSED),
        ("INVALID_ARGUMENT", "client shared memory is disabled", Registration.REFUSED),
        ("ALREADY_EXISTS", "shared memory region 'x' already in manager", Registration.DONE),
    ],
)
async def test_why_it_is_not_registered(
    shared: Shared, triton: TritonWithMemory, code: str, details: str, result: Registration
) -> None:
    """A server that is away is told from one that says no, and from one that knows the region already."""
    triton.registration_failure, watched = (grpc.StatusCode[code], details), Watched()
    async with sharing(triton, shared.region, watched) as backend:
        with suppress(Exception):  # what was registered in the last case is not there
            await click(backend, shared, 1)

    assert result is watched.registrations[0]


# Triton forgets


async def test_a_restarted_triton_is_told_again(shared: Shared, triton: TritonWithMemory) -> None:
    """The click that finds out is answered all the same, from the slot that has survived."""
    watched = Watched()
    async with sharing(triton, shared.region, watched) as backend:
        before = await click(backend, shared, 7)
        triton.restart()
        after = [await click(backend, shared, number) for number in (7, 8)]

    assert [7, 7, 8] == [before, *after]
    assert [Way.SHARED] * 4 == ways(watched)  # one of them twice
    assert [Registration.DONE] * 2 == watched.registrations


async def test_clicks_that_find_out_together_register_once(shared: Shared, triton: TritonWithMemory) -> None:
    """However many clicks meet a restarted Triton at once, all are answered, and one asks to register."""
    async with sharing(triton, shared.region) as backend:
        await click(backend, shared, 0)
        triton.restart()
        seen = await asyncio.gather(*(click(backend, shared, number % 3) for number in range(30)))

    assert [number % 3 for number in range(30)] == seen
    assert 2 == triton.registrations


async def test_a_triton_that_forgets_at_once_is_sent_embeddings(shared: Shared, triton: TritonWithMemory) -> None:
    """Several Tritons behind one address cannot be told one by one: after two attempts the embedding goes along."""
    triton.forgetful, watched = True, Watched()
    async with sharing(triton, shared.region, watched) as backend:
        seen = [await click(backend, shared, number) for number in (1, 2)]

    assert [1, 2] == seen
    assert [Way.SHARED, Way.SHARED, Way.INLINE, Way.INLINE] == ways(watched)
    assert [Registration.DONE, Registration.DONE, Registration.REFUSED] == watched.registrations


async def test_the_regions_of_the_dead_are_unmapped(shared: Shared, triton: TritonWithMemory, tmp_path: Path) -> None:
    """Triton lets go of what a gateway that was killed had registered; of what is anybody else's it does not."""
    dead, alive, foreign = "test-slab-0123456789abcdef", "test-slab-fedcba9876543210", "somebody-elses"
    tmp_path.joinpath(alive).touch()
    async with sharing(triton, shared.region) as backend:
        triton.regions.update(dict.fromkeys((dead, alive, foreign)))  # type: ignore[arg-type] # nobody reads them
        await click(backend, shared, 1)

        assert [dead] == triton.unregistered
    assert [dead, shared.region.name] == triton.unregistered


# Never another image's


async def test_an_embedding_that_was_released_too_early_is_not_used(shared: Shared, triton: TritonWithMemory) -> None:
    """A fault of ours: its slot is another image's now, and nothing is sent rather than that."""
    watched = Watched()
    async with sharing(triton, shared.region, watched) as backend:
        await click(backend, shared, 0)
        held = shared.hold(0)
        held.release()
        for number in range(1, 8):
            shared.hold(number).release()
        with pytest.raises(InferenceFailed, match="replaced while it was used"):
            await backend.decode(SPEC, held, SLOTS, MaskSelection.BEST, call=CALL)

    assert (1, 1) == (watched.stale_ones, len(triton.requests))


async def test_an_answer_from_a_slot_that_was_replaced_is_thrown_away(shared: Shared, triton: TritonWithMemory) -> None:
    """The slot is looked at again when the answer is there: by then Triton may have read another image."""
    watched = Watched()
    async with sharing(triton, shared.region, watched) as backend:
        await click(backend, shared, 0)
        triton.gate.clear()
        held = shared.hold(0)
        answer = asyncio.create_task(backend.decode(SPEC, held, SLOTS, MaskSelection.BEST, call=CALL))
        await asyncio.wait_for(triton.waiting.wait(), 5)
        held.release()
        for number in range(1, 8):
            shared.hold(number).release()
        triton.gate.set()
        with pytest.raises(InferenceFailed, match="replaced while it was used"):
            await answer

    assert 1 == watched.stale_ones


async def test_many_images_on_few_slots(shared: Shared, triton: TritonWithMemory) -> None:
    """Sixteen people click on sixty images, give up now and then, Triton is restarted: no answer is another image's."""
    numbers, watched, seen = random.Random(8), Watched(), []  # noqa: S311 - not for secrets

    async def person(backend: TritonBackend) -> None:
        for _ in range(40):
            image = numbers.choice((numbers.randrange(60), numbers.randrange(4)))
            attempt = asyncio.create_task(click(backend, shared, image))
            if numbers.random() < 0.1:
                for _ in range(numbers.randrange(40)):
                    await asyncio.sleep(0)
                attempt.cancel()
            if numbers.random() < 0.02:
                triton.restart()
            with suppress(asyncio.CancelledError):
                seen.append((image, await attempt))

    async with sharing(triton, shared.region, watched) as backend:
        await asyncio.gather(*(person(backend) for _ in range(16)))

    assert [image for image, _ in seen] == [answered for _, answered in seen]
    assert len(seen) > 500
    assert {Way.SHARED, Way.INLINE} == set(ways(watched))
    assert (0, 0) == (watched.stale_ones, shared.slab.table.held)


async def test_the_one_that_shares_memory_is_preferred(shared: Shared, tmp_path: Path) -> None:
    """Of several the one that need not be sent an embedding is asked, until it has much more to do than the others."""
    near, far, watched = TritonWithMemory(tmp_path), TritonWithMemory(tmp_path), Watched()
    far.registration_failure = REFUSED
    async with sharing(near, shared.region, watched, others=[far]) as backend:
        for _ in range(20):  # until both have been asked to register
            await click(backend, shared, 1)
        watched.ways.clear()
        alone = [await click(backend, shared, 1) for _ in range(5)]
        near.gate.clear()
        far.gate.clear()
        busy = [asyncio.create_task(click(backend, shared, 1)) for _ in range(12)]
        while sum(endpoint.in_flight for endpoint in backend.endpoints) < 12:  # noqa: ASYNC110 - nobody sets an event
            await asyncio.sleep(0)
        shares = [endpoint.in_flight for endpoint in backend.endpoints]
        near.gate.set()
        far.gate.set()
        together = await asyncio.gather(*busy)

    assert [1] * 17 == [*alone, *together]
    assert [Way.SHARED] * 5 == ways(watched)[:5]
    assert shares[0] > shares[1] > 0
