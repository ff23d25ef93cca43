from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from maskgate.adapters.open import NoQuotas
from maskgate.domain.embedding import Embedding, EmbeddingKey
from maskgate.domain.errors import StoreUnavailable
from maskgate.domain.image import ImageId, ImageInfo
from maskgate.usecases.admission import Admission
from maskgate.usecases.charge_tenant import ChargeTenant
from maskgate.usecases.delete_image import DeleteImage, HeedDeletions
from maskgate.usecases.embed_image import EmbeddingTiers, EmbedImage
from tests.fakes import (
    CALL,
    SIZE,
    SPEC,
    FailingCache,
    FailingDeletions,
    FailingStore,
    FakeBackend,
    FakeCache,
    FakeCopies,
    FakeDecoder,
    FakeDeletions,
    FakeLocks,
    FakeShelf,
    FakeStore,
    owned,
)

if TYPE_CHECKING:
    from maskgate.ports import EmbeddingCache, ImageStore

PHOTO = b"a photo"
IMAGE_ID = ImageId.of(PHOTO)
KEY = EmbeddingKey.of(IMAGE_ID, SPEC)
EMBEDDING = Embedding(SIZE, bytes(SPEC.embedding_bytes))


@dataclass
class World:
    """An image that is kept, with its embedding in both tiers."""

    store: FakeStore = field(default_factory=FakeStore)
    shelf: FakeShelf = field(default_factory=FakeShelf)

    async def fill(self) -> World:
        self.cache = FakeCache(self.store)
        await self.store.put(ImageInfo(IMAGE_ID, SIZE, "FAKE", len(PHOTO)), PHOTO)
        await self.cache.put(KEY, EMBEDDING)
        self.shelf.keep(KEY, EMBEDDING).release()
        return self

    def embed(self) -> EmbedImage:
        return EmbedImage(
            tiers=EmbeddingTiers(self.shelf, self.cache, FakeLocks(self.cache)),
            images=owned(self.store),
            charge=ChargeTenant(NoQuotas()),
            store=self.store,
            decoder=FakeDecoder(),
            backend=FakeBackend(),
            admission=Admission(tier="image encoder", concurrency=1, waiting=1),
        )


@pytest.fixture
async def world() -> World:
    return await World().fill()


async def test_nothing_is_left(world: World) -> None:
    """The image and its embeddings are gone from the store and from both tiers."""
    await DeleteImage(images=owned(world.store), store=world.store, cache=world.cache, embed=world.embed())(
        IMAGE_ID, call=CALL
    )

    assert (None, {}, {}) == (await world.store.info(IMAGE_ID), world.cache.entries, world.shelf.entries)


@pytest.mark.parametrize("missing", ["store", "cache"])
async def test_what_cannot_be_reached_is_told(world: World, missing: str) -> None:
    """Where only this gateway could forget it, the client is told to try again; here it is gone all the same."""
    store: ImageStore = FailingStore() if missing == "store" else world.store
    cache: EmbeddingCache = FailingCache() if missing == "cache" else world.cache

    with pytest.raises(StoreUnavailable):
        await DeleteImage(images=owned(store), store=store, cache=cache, embed=world.embed())(IMAGE_ID, call=CALL)

    assert {} == world.shelf.entries


async def test_deletions_elsewhere_are_heeded(world: World) -> None:
    """What was deleted through another gateway is forgotten here, the image's copy as well as its embeddings."""
    deletions, copies = FakeDeletions(), FakeCopies()
    deletions.untold = [ImageId.of(b"unknown here"), IMAGE_ID]

    await HeedDeletions(deletions=deletions, copies=copies, embed=world.embed())()

    assert {} == world.shelf.entries
    assert [ImageId.of(b"unknown here"), IMAGE_ID] == copies.forgotten


async def test_it_asks_again_and_again(world: World) -> None:
    """What is deleted later is heard of later, until it is told to stop."""
    deletions, copies = FakeDeletions(), FakeCopies()
    heed = HeedDeletions(deletions=deletions, copies=copies, embed=world.embed(), every=0)
    heeding = asyncio.create_task(heed.for_ever())
    await asyncio.sleep(0)
    deletions.untold = [IMAGE_ID]
    for _ in range(10):
        await asyncio.sleep(0)
    heeding.cancel()

    assert ({}, [IMAGE_ID]) == (world.shelf.entries, copies.forgotten)
    assert [True] == [
        isinstance(end, asyncio.CancelledError) for end in await asyncio.gather(heeding, return_exceptions=True)
    ]


async def test_while_nobody_can_tell_nothing_is_forgotten(world: World) -> None:
    """Without Redis the gateway goes on with what it has."""
    await HeedDeletions(deletions=FailingDeletions(), copies=FakeCopies(), embed=world.embed())()

    assert [KEY] == list(world.shelf.entries)
