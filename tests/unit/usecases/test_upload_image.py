from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from maskgate.adapters.open import NoQuotas
from maskgate.domain.call import Call, Deadline
from maskgate.domain.errors import ImageTooLarge, InvalidImage, StoreUnavailable
from maskgate.domain.image import ImageId, ImageInfo, ImageLimits
from maskgate.domain.tenant import Limits, Tenant
from maskgate.usecases.admission import Admission
from maskgate.usecases.charge_tenant import ChargeTenant
from maskgate.usecases.delete_image import ForgetImage
from maskgate.usecases.embed_image import EmbeddingTiers, EmbedImage
from maskgate.usecases.get_image import GetImage
from maskgate.usecases.upload_image import UploadImage
from tests.fakes import (
    CALL,
    SIZE,
    FailingStore,
    FakeBackend,
    FakeCache,
    FakeDecoder,
    FakeGrants,
    FakeLocks,
    FakeShelf,
    FakeStore,
    Unwatched,
    inline,
    owned,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskgate.ports import ImageGrants

PHOTO = b"a photo"
LIMITS = ImageLimits(max_bytes=10, max_pixels=10_000, max_side=1000)
ACME = Tenant("acme")


def create(decoder: FakeDecoder, store: FakeStore | FailingStore, grants: ImageGrants | None = None) -> UploadImage:
    cache = FakeCache()
    images = owned(store, grants)
    embed = EmbedImage(
        watcher=Unwatched(),
        tiers=EmbeddingTiers(FakeShelf(), cache, FakeLocks(cache)),
        images=images,
        charge=ChargeTenant(NoQuotas()),
        store=store,
        decoder=decoder,
        backend=FakeBackend(),
        admission=Admission(tier="image encoder", concurrency=1, waiting=0),
    )
    return UploadImage(
        images=images,
        store=store,
        decoder=decoder,
        limits=LIMITS,
        admission=Admission(tier="image store", concurrency=1, waiting=0),
        forget=ForgetImage(store=store, cache=cache, embed=embed),
        offload=inline,
    )


async def test_an_upload_is_kept() -> None:
    """An upload answers with what the image is, and can be looked up afterwards."""
    store = FakeStore()
    expected = ImageInfo(ImageId.of(PHOTO), SIZE, "FAKE", len(PHOTO))

    answered = await create(FakeDecoder(), store)(PHOTO, call=CALL)

    assert expected == answered
    assert expected == await GetImage(images=owned(store))(answered.image_id, call=CALL)
    assert PHOTO == await store.content(answered.image_id)


async def test_a_second_upload_neither_decodes_nor_stores() -> None:
    """The hash is asked for first: bytes that are kept already cost nothing more."""
    decoder, store = FakeDecoder(), FakeStore()
    upload = create(decoder, store)

    first, second = await upload(PHOTO, call=CALL), await upload(PHOTO, call=CALL)

    assert first == second
    assert (1, 1) == (decoder.inspected, store.puts)


async def test_an_expired_image_can_be_uploaded_again() -> None:
    """What the store has forgotten is decoded and stored anew."""
    decoder, store = FakeDecoder(), FakeStore()
    upload = create(decoder, store)
    await upload(PHOTO, call=CALL)
    store.forget()

    await upload(PHOTO, call=CALL)

    assert (2, 2) == (decoder.inspected, store.puts)


@pytest.mark.parametrize(("content", "error"), [(b"", InvalidImage), (bytes(11), ImageTooLarge)])
async def test_limits_come_before_all_work(content: bytes, error: type[Exception]) -> None:
    """An empty or too large upload is refused before it is hashed, looked up or decoded."""
    decoder = FakeDecoder()
    upload = create(decoder, FailingStore())

    with pytest.raises(error):
        await upload(content, call=CALL)

    assert decoder.inspected == 0


async def test_without_a_store_nothing_is_promised() -> None:
    """An image that cannot be kept is not accepted."""
    upload = create(FakeDecoder(), FailingStore())

    with pytest.raises(StoreUnavailable):
        await upload(PHOTO, call=CALL)


@pytest.mark.parametrize("deleted", ["before it is granted", "once it is granted"])
async def test_the_last_other_one_deletes_it_meanwhile(deleted: str) -> None:
    """An upload that was confirmed is there, whenever during it another tenant deletes the same image."""
    grants = FakeGrants()
    store, image_id, grant = FakeStore(grants), ImageId.of(PHOTO), grants.grant
    await create(FakeDecoder(), store, grants)(PHOTO, call=Call(Deadline.after(10), tenant=ACME))

    async def beside_a_deletion(tenant: Tenant, image_id: ImageId, *, weight: int) -> Sequence[ImageId]:
        if deleted == "before it is granted":
            await store.delete(image_id, but_for=ACME)
        gone = await grant(tenant, image_id, weight=weight)
        if deleted == "once it is granted":
            await store.delete(image_id, but_for=ACME)
        return gone

    grants.grant = beside_a_deletion  # type: ignore[method-assign] # what comes in between
    await create(FakeDecoder(), store, grants)(PHOTO, call=CALL)

    assert PHOTO == await store.content(image_id)


async def test_room_that_cannot_be_made() -> None:
    """An upload counts also where what had to go for it cannot be forgotten now: nobody may use that."""
    grants, small = FakeGrants(), Tenant("acme", Limits(cache_bytes=1))
    store, call = FakeStore(grants), Call(Deadline.after(10), tenant=small)
    upload = create(FakeDecoder(), store, grants)
    first = await upload(PHOTO, call=call)
    store.delete = FailingStore().delete  # type: ignore[method-assign] # it goes away in between

    second = await upload(b"another", call=call)

    assert {second.image_id} == await grants.granted(small, [first.image_id, second.image_id])
