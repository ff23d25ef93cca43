from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from maskgate.adapters.open import NoQuotas, OpenGrants
from maskgate.domain.call import Call, Deadline
from maskgate.domain.embedding import Embedding, EmbeddingKey
from maskgate.domain.errors import StoreUnavailable
from maskgate.domain.image import ImageId, ImageInfo
from maskgate.domain.tenant import Tenant
from maskgate.usecases.admission import Admission
from maskgate.usecases.charge_tenant import ChargeTenant
from maskgate.usecases.delete_image import DeleteImage, ForgetImage, HeedDeletions
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
    FakeGrants,
    FakeLocks,
    FakeShelf,
    FakeStore,
    Unwatched,
    owned,
)

if TYPE_CHECKING:
    from maskgate.ports import EmbeddingCache, ImageGrants, ImageStore

PHOTO = b"a photo"
IMAGE_ID = ImageId.of(PHOTO)
KEY = EmbeddingKey.of(IMAGE_ID, SPEC)
EMBEDDING = Embedding(SIZE, bytes(SPEC.embedding_bytes))
ACME, OTHER = Call(Deadline.after(10), tenant=Tenant("acme")), Call(Deadline.after(10), tenant=Tenant("other"))


@dataclass
class World:
    """An image that is kept, with its embedding in both tiers."""

    grants: ImageGrants = field(default_factory=OpenGrants)
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
            watcher=Unwatched(),
            tiers=EmbeddingTiers(self.shelf, self.cache, FakeLocks(self.cache)),
            images=owned(self.store),
            charge=ChargeTenant(NoQuotas()),
            store=self.store,
            decoder=FakeDecoder(),
            backend=FakeBackend(),
            admission=Admission(tier="image encoder", concurrency=1, waiting=1),
        )

    def delete(self) -> DeleteImage:
        forget = ForgetImage(store=self.store, cache=self.cache, embed=self.embed())
        return DeleteImage(images=owned(self.store, self.grants), forget=forget)


@pytest.fixture
async def world() -> World:
    return await World().fill()


async def test_nothing_is_left(world: World) -> None:
    """The image and its embeddings are gone from the store and from both tiers."""
    await world.delete()(IMAGE_ID, call=CALL)

    assert (None, {}, {}) == (await world.store.info(IMAGE_ID), world.cache.entries, world.shelf.entries)


@pytest.mark.parametrize("missing", ["store", "cache"])
async def test_what_cannot_be_reached_is_told(world: World, missing: str) -> None:
    """Where only this gateway could forget it, the client is told to try again; here it is gone all the same."""
    store: ImageStore = FailingStore() if missing == "store" else world.store
    cache: EmbeddingCache = FailingCache() if missing == "cache" else world.cache

    with pytest.raises(StoreUnavailable):
        await DeleteImage(images=owned(store), forget=ForgetImage(store=store, cache=cache, embed=world.embed()))(
            IMAGE_ID, call=CALL
        )

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


@pytest.fixture
async def shared() -> World:
    """An image that two tenants have."""
    grants = FakeGrants()
    for call in (ACME, OTHER):
        await grants.grant(call.tenant, IMAGE_ID, weight=1)
    return await World(grants, FakeStore(grants)).fill()


@pytest.mark.parametrize("missing", ["store", "cache"])
async def test_what_has_failed_can_be_repeated(shared: World, missing: str) -> None:
    """A deletion of which only a part was done is not taken for one that was done: the next one does it."""
    await shared.delete()(IMAGE_ID, call=OTHER)
    store, cache = shared.store, shared.cache
    broken = FailingStore() if missing == "store" else store, FailingCache() if missing == "cache" else cache
    forget = ForgetImage(store=broken[0], cache=broken[1], embed=shared.embed())
    with pytest.raises(StoreUnavailable):
        await DeleteImage(images=owned(store, shared.grants), forget=forget)(IMAGE_ID, call=ACME)

    await shared.delete()(IMAGE_ID, call=ACME)

    assert (None, {}) == (await store.info(IMAGE_ID), cache.entries)


async def test_what_another_has_is_left(shared: World) -> None:
    """The first one to delete leaves image and embeddings to the other one, the last one takes them away."""
    await shared.delete()(IMAGE_ID, call=ACME)
    left = await shared.store.content(IMAGE_ID), list(shared.cache.entries), list(shared.shelf.entries)
    await shared.delete()(IMAGE_ID, call=OTHER)

    assert (PHOTO, [KEY], [KEY]) == left
    assert (None, {}, {}) == (await shared.store.info(IMAGE_ID), shared.cache.entries, shared.shelf.entries)


async def test_what_all_delete_at_once_is_gone(shared: World) -> None:
    """Where each still sees the other one's grant, the last one to give it up forgets the image."""
    both = asyncio.Barrier(2)
    revoke = shared.grants.revoke

    async def together(tenant: Tenant, image_id: ImageId) -> bool:
        await both.wait()
        return await revoke(tenant, image_id)

    shared.grants.revoke = together  # type: ignore[method-assign] # what comes in between

    await asyncio.gather(*(shared.delete()(IMAGE_ID, call=call) for call in (ACME, OTHER)))

    assert (None, {}) == (await shared.store.info(IMAGE_ID), shared.cache.entries)
