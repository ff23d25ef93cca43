from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from maskgate.adapters.admissions import CountedEmbeddings
from maskgate.adapters.open import NoQuotas
from maskgate.adapters.quotas import MemoryQuotas
from maskgate.domain.call import Call, Deadline
from maskgate.domain.embedding import Embedding, EmbeddingKey
from maskgate.domain.errors import (
    BackendUnavailable,
    DeadlineExceeded,
    EncoderStarting,
    ImageNotFound,
    InvalidImage,
    MaskgateError,
    Overloaded,
    QuotaExceeded,
    StoreUnavailable,
)
from maskgate.domain.image import ImageId, ImageInfo
from maskgate.domain.tenant import Limits, Quota, Tenant
from maskgate.domain.timing import CacheTier
from maskgate.telemetry import EmbeddingMetrics
from maskgate.usecases.admission import Admission
from maskgate.usecases.charge_tenant import ChargeTenant
from maskgate.usecases.embed_image import Effort, Embedded, EmbeddingTiers, EmbedImage
from tests.fakes import (
    CALL,
    SIZE,
    SPEC,
    FailingStore,
    FakeBackend,
    FakeCache,
    FakeDecoder,
    FakeLocks,
    FakeShelf,
    FakeStore,
    Unwatched,
    owned,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from maskgate.ports import Quotas

PHOTO = b"a photo"
IMAGE_ID = ImageId.of(PHOTO)
KEY = EmbeddingKey.of(IMAGE_ID, SPEC)


@dataclass
class World:
    """EmbedImage and the fakes around it.

    Attributes:
        beside: Another gateway, with which this one shares what gateways share.
    """

    store: FakeStore = field(default_factory=FakeStore)
    backend: FakeBackend = field(default_factory=FakeBackend)
    decoder: FakeDecoder = field(default_factory=FakeDecoder)
    l1: FakeShelf = field(default_factory=FakeShelf)
    l2: FakeCache = field(init=False)
    waiting: int = 100
    quotas: Quotas = field(default_factory=NoQuotas)
    beside: World | None = None

    def __post_init__(self) -> None:
        self.registry = CollectorRegistry()
        self.metrics = EmbeddingMetrics(self.registry)
        self.l2 = FakeCache(self.store)
        if self.beside is not None:
            self.store, self.l2 = self.beside.store, self.beside.l2
        self.locks: FakeLocks = FakeLocks(self.l2) if self.beside is None else self.beside.locks
        self.embed = EmbedImage(
            tiers=EmbeddingTiers(self.l1, self.l2, self.locks),
            images=owned(self.store),
            charge=ChargeTenant(self.quotas),
            store=self.store,
            decoder=self.decoder,
            backend=self.backend,
            admission=Admission(tier="image encoder", concurrency=1, waiting=self.waiting),
            watcher=CountedEmbeddings(self.metrics),
        )

    def sample(self, name: str) -> float | None:
        return self.registry.get_sample_value(f"maskgate_{name}")

    async def get(self, image_id: ImageId = IMAGE_ID, *, call: Call = CALL) -> Embedded:
        """Hold the embedding of an image for a moment, and wait until others can have it."""
        async with self.embed(image_id, SPEC, call=call) as embedded:
            pass
        await self.embed.drain()
        return embedded

    async def keep(self, content: bytes) -> ImageId:
        image_id = ImageId.of(content)
        await self.store.put(ImageInfo(image_id, SIZE, "FAKE", len(content)), content)
        return image_id


@pytest.fixture
async def world() -> World:
    world = World()
    await world.keep(PHOTO)
    return world


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_miss_encodes_once_and_fills_both_tiers(world: World) -> None:
    """The first call reads the image, encodes it, and remembers the embedding in both tiers."""
    embedded = await world.get()

    assert embedded.effort.tier is CacheTier.MISS
    assert embedded.embedding.original == SIZE
    assert embedded.effort.encode > 0
    assert (1, 1) == (world.backend.encodes, world.store.reads)
    assert {KEY: Embedding(SIZE, embedded.embedding.tensor)} == world.l1.entries == world.l2.entries


async def test_an_l1_hit_asks_nobody_else(world: World) -> None:
    """An embedding in the memory of the process needs neither Redis nor the image nor the encoder."""
    first = await world.get()
    world.l2.entries.clear()
    world.store.forget()

    second = await world.get()

    assert second.effort.tier is CacheTier.L1
    assert first.embedding.tensor == second.embedding.tensor
    assert (1, 0.0, 0.0) == (world.backend.encodes, second.effort.encode, second.effort.queue)


async def test_an_l2_hit_fills_l1(world: World) -> None:
    """An embedding that another gateway made is taken over into the memory of this one."""
    first = await world.get()
    world.l1.entries.clear()

    second, third = await world.get(), await world.get()

    assert [CacheTier.L2, CacheTier.L1] == [second.effort.tier, third.effort.tier]
    assert first.embedding.tensor == second.embedding.tensor == third.embedding.tensor
    assert world.backend.encodes == 1


async def test_a_wrong_sized_l2_entry_is_a_miss(world: World) -> None:
    """An entry that does not fit the model is made anew and replaced."""
    first = await world.get()
    world.l1.entries.clear()
    world.l2.shorten(KEY)

    second = await world.get()

    assert second.effort.tier is CacheTier.MISS
    assert world.backend.encodes == 2
    assert {KEY: Embedding(SIZE, first.embedding.tensor)} == world.l2.entries


async def test_an_embedding_needs_no_image(world: World) -> None:
    """An image that has expired can still be segmented while its embedding is cached."""
    await world.get()
    world.l1.entries.clear()
    world.store.forget()

    embedded = await world.get()

    assert embedded.effort.tier is CacheTier.L2
    assert world.decoder.prepared == 1


async def test_fifty_first_clicks_encode_once(world: World) -> None:
    """Concurrent first clicks on an image join one encode."""
    world.backend.gate.clear()
    clicks = [asyncio.create_task(world.get()) for _ in range(50)]
    await settle()

    world.backend.gate.set()
    embedded = await asyncio.gather(*clicks)

    assert world.backend.encodes == 1
    assert {CacheTier.MISS} == {each.effort.tier for each in embedded}
    assert len({each.embedding.tensor for each in embedded}) == 1


async def test_first_clicks_at_three_gateways_encode_once(world: World) -> None:
    """One of the gateways encodes; the others wait for what it made."""
    gateways = [world, World(backend=world.backend, beside=world), World(backend=world.backend, beside=world)]
    world.backend.gate.clear()
    clicks = [asyncio.create_task(gateway.get()) for gateway in gateways for _ in range(5)]
    await settle()

    world.backend.gate.set()
    embedded = await asyncio.gather(*clicks)

    assert 1 == world.backend.encodes
    assert [CacheTier.MISS] * 5 + [CacheTier.L2] * 10 == [each.effort.tier for each in embedded]
    assert 1 == len({each.embedding.tensor for each in embedded})
    assert all(each.effort.queue > 0 and each.effort.encode == 0 for each in embedded[5:])
    assert {} == world.locks.owners


async def test_an_error_elsewhere_is_not_waited_out(world: World) -> None:
    """Where the gateway whose turn it was fails, that is its callers' error; the next one tries for itself."""
    other = World(beside=world)
    world.backend.encode_error = BackendUnavailable("Triton is away.")
    world.backend.gate.clear()
    clicks = [asyncio.create_task(gateway.get()) for gateway in (world, other)]
    await settle()
    waited = other.backend.encodes

    world.backend.gate.set()
    failed, embedded = await asyncio.gather(*clicks, return_exceptions=True)

    assert isinstance(failed, BackendUnavailable)
    assert isinstance(embedded, Embedded)
    assert (CacheTier.MISS, 0, 1) == (embedded.effort.tier, waited, other.backend.encodes)
    assert {} == world.locks.owners


async def test_what_cannot_be_shared_is_made_by_each(world: World) -> None:
    """A shared cache that takes nothing leaves nobody waiting: each gateway encodes when it is its turn."""

    async def forget(key: EmbeddingKey, embedding: Embedding) -> None:
        del key, embedding

    world.l2.put = forget  # type: ignore[method-assign] # the fake is ours to bend
    other = World(beside=world)

    embedded = await asyncio.gather(world.get(), other.get())

    assert [CacheTier.MISS] * 2 == [each.effort.tier for each in embedded]
    assert (1, 1, {}) == (world.backend.encodes, other.backend.encodes, world.locks.owners)


async def test_the_answer_does_not_wait_for_the_others(world: World) -> None:
    """Who asked is answered before the shared cache has the embedding; the turn lasts until it has."""
    ready, put = asyncio.Event(), world.l2.put

    async def put_slowly(key: EmbeddingKey, embedding: Embedding) -> None:
        await ready.wait()
        await put(key, embedding)

    world.l2.put = put_slowly  # type: ignore[method-assign] # the fake is ours to bend
    async with world.embed(IMAGE_ID, SPEC, call=CALL):
        meanwhile = [*world.locks.owners], [*world.l2.entries]
    ready.set()
    await world.embed.drain()

    assert ([KEY], []) == meanwhile
    assert ({}, [KEY]) == (world.locks.owners, [*world.l2.entries])


async def test_a_cancelled_click_loses_no_encode(world: World) -> None:
    """When everybody who waited has gone, the encode is finished and cached all the same; draining waits for it."""
    world.backend.gate.clear()
    click = asyncio.create_task(world.get())
    await settle()
    click.cancel()
    await settle()

    world.backend.gate.set()
    await world.embed.drain()
    again = await world.get()

    assert click.cancelled()
    assert again.effort.tier is CacheTier.L1
    assert world.backend.encodes == 1


async def test_a_failed_encode_reaches_every_waiter_and_is_not_cached(world: World) -> None:
    """All who waited get the error; the next call tries again."""
    world.backend.encode_error = BackendUnavailable("Triton is away.")
    world.backend.gate.clear()
    clicks = [asyncio.create_task(world.get()) for _ in range(3)]
    await settle()
    world.backend.gate.set()
    outcomes = await asyncio.gather(*clicks, return_exceptions=True)
    assert [BackendUnavailable] * 3 == [type(outcome) for outcome in outcomes]
    assert not world.l1.entries
    assert not world.l2.entries

    world.backend.encode_error = None
    again = await world.get()

    assert again.effort.tier is CacheTier.MISS
    assert world.backend.encodes == 2


async def test_an_unknown_image_is_not_found(world: World) -> None:
    """Without a cached embedding an image has to be there, and the error says what to do."""
    unknown = ImageId.of(b"another photo")

    with pytest.raises(ImageNotFound, match="upload it") as refusal:
        await world.get(unknown)

    assert {"image_id": str(unknown)} == refusal.value.metadata
    assert world.backend.encodes == 0


async def test_a_store_that_cannot_be_asked_is_not_a_missing_image() -> None:
    """A client must not be told to upload again what may still be kept."""
    cache = FakeCache()
    embed = EmbedImage(
        watcher=Unwatched(),
        tiers=EmbeddingTiers(FakeShelf(), cache, FakeLocks(cache)),
        images=owned(FailingStore()),
        charge=ChargeTenant(NoQuotas()),
        store=FailingStore(),
        decoder=FakeDecoder(),
        backend=FakeBackend(),
        admission=Admission(tier="image encoder", concurrency=1, waiting=1),
    )

    with pytest.raises(StoreUnavailable):
        await embed(IMAGE_ID, SPEC, call=CALL).__aenter__()


async def test_images_are_not_read_ahead_of_the_cache(world: World) -> None:
    """The store is asked for bytes only where both tiers have missed."""
    await world.get()
    world.l1.entries.clear()
    await world.get()

    assert world.store.reads == 1


async def test_encodes_wait_for_their_turn() -> None:
    """Encodes of different images share the places of the tier: one waits, which its timing shows, one is refused."""
    world = World(waiting=1)
    images = [await world.keep(content) for content in (b"one", b"two", b"three")]
    world.backend.gate.clear()
    clicks = [asyncio.create_task(world.get(image_id)) for image_id in images]
    await settle()
    await asyncio.sleep(0.03)
    assert world.backend.encodes == 1

    world.backend.gate.set()
    first, second, third = await asyncio.gather(*clicks, return_exceptions=True)

    assert isinstance(third, Overloaded)
    assert not isinstance(first, BaseException)
    assert not isinstance(second, BaseException)
    assert first.effort.queue < second.effort.queue
    assert second.effort.queue >= 0.02


async def test_who_waits_for_a_place_holds_no_file() -> None:
    """The bytes of an image are read when it is its turn: many may wait."""
    world = World()
    images = [await world.keep(content) for content in (b"one", b"two", b"three")]
    world.backend.gate.clear()
    clicks = [asyncio.create_task(world.get(image_id)) for image_id in images]
    await settle()
    meanwhile = world.store.reads
    world.backend.gate.set()
    await asyncio.gather(*clicks)

    assert (1, 3) == (meanwhile, world.store.reads)


async def test_an_encode_that_waits_ends_with_its_clients() -> None:
    """What nobody waits for any more does not come to its turn; it gives up its place and its lease."""
    world = World()
    images = [await world.keep(content) for content in (b"one", b"two", b"three")]
    world.backend.gate.clear()
    clicks = [asyncio.create_task(world.get(image_id)) for image_id in images]
    await settle()
    for click in clicks:
        click.cancel()
    await settle()
    owned_meanwhile = [key.image_id for key in world.locks.owners]
    world.backend.gate.set()
    await world.embed.drain()

    assert [images[0]] == owned_meanwhile == [key.image_id for key in world.l1.entries]
    assert (1, {}) == (world.backend.encodes, world.locks.owners)


def test_who_joins_late_is_told_its_own_times() -> None:
    """A call that joins an encode half way waited for half of it, and is told so."""
    flight = Effort(CacheTier.MISS, queue=0.2, encode=0.5)

    assert (0.5, 0.2) == _times(flight.as_seen_by(waited=0.9))
    assert (0.5, 0.1) == _times(flight.as_seen_by(waited=0.6))
    assert (0.3, 0.0) == _times(flight.as_seen_by(waited=0.3))


def _times(effort: Effort) -> tuple[float, float]:
    return effort.encode, pytest.approx(effort.queue)


async def test_hits_keep_the_image_alive(world: World) -> None:
    """A click that needs the embedding alone still asks the store for its image, so that it does not expire."""
    asked: list[ImageId] = []

    async def info(image_id: ImageId) -> None:
        asked.append(image_id)

    await world.get()
    world.store.info = info  # type: ignore[method-assign] # the fake is ours to bend
    await world.get()

    assert [IMAGE_ID] == asked


@pytest.mark.parametrize("tier", CacheTier)
async def test_an_embedding_is_held_while_the_block_runs(world: World, tier: CacheTier) -> None:
    """Wherever it was found, it is held once until the block ends, and also when that ends badly."""
    if tier is not CacheTier.MISS:
        await world.get()
    if tier is CacheTier.L2:
        world.l1.entries.clear()

    seen: list[object] = []

    async def use() -> None:
        async with world.embed(IMAGE_ID, SPEC, call=CALL) as embedded:
            seen.extend((embedded.effort.tier, *world.l1.held))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await use()

    assert ([tier, KEY], []) == (seen, world.l1.held)


async def test_everybody_holds_for_themselves(world: World) -> None:
    """Each of those who waited for an encode holds the embedding as long as it takes them; who has gone holds none."""
    world.backend.gate.clear()
    leave = asyncio.Event()

    async def click() -> None:
        async with world.embed(IMAGE_ID, SPEC, call=CALL):
            await leave.wait()

    holders = [asyncio.create_task(click()) for _ in range(3)]
    await settle()
    holders[0].cancel()
    world.backend.gate.set()
    await settle()
    waiting = [*world.l1.held]
    holders[1].cancel()
    await settle()
    one_left = [*world.l1.held]
    leave.set()
    await asyncio.gather(*holders, return_exceptions=True)

    assert ([KEY, KEY], [KEY], []) == (waiting, one_left, world.l1.held)


# Deletions


async def test_forgotten_images_are_encoded_anew(world: World) -> None:
    """After an image was forgotten, none of its embeddings is at hand."""
    await world.get()
    world.embed.forget(IMAGE_ID)
    world.l2.entries.clear()

    again = await world.get()

    assert (CacheTier.MISS, 2) == (again.effort.tier, world.backend.encodes)


async def test_what_is_deleted_while_it_is_encoded_is_not_kept(world: World) -> None:
    """Whoever waits for an encode is told that the image is gone, and its embedding is left nowhere."""
    world.backend.gate.clear()
    clicks = [asyncio.create_task(world.get()) for _ in range(3)]
    await settle()

    await world.store.delete(IMAGE_ID)
    world.embed.forget(IMAGE_ID)
    world.backend.gate.set()
    outcomes = await asyncio.gather(*clicks, return_exceptions=True)

    assert [ImageNotFound] * 3 == [type(outcome) for outcome in outcomes]
    assert ({}, {}, [], {}) == (world.l1.entries, world.l2.entries, world.l1.held, world.locks.owners)


async def test_what_nobody_waits_for_any_more_is_not_kept_either(world: World) -> None:
    """An encode whose callers have all left leaves nothing of an image that was deleted meanwhile."""
    world.backend.gate.clear()
    click = asyncio.create_task(world.get())
    await settle()
    click.cancel()
    await settle()

    world.embed.forget(IMAGE_ID)
    world.backend.gate.set()
    await world.embed.drain()

    assert ({}, {}) == (world.l1.entries, world.l2.entries)


async def test_a_deletion_between_landing_and_the_caller(world: World) -> None:
    """Also where the flight has just landed and its caller has not been told yet, nothing is kept."""
    world.backend.gate.clear()
    click = asyncio.create_task(world.get())
    await settle()
    world.backend.gate.set()
    for _ in range(10):
        if world.l1.entries:
            break
        await asyncio.sleep(0)

    assert world.l1.entries
    world.embed.forget(IMAGE_ID)
    outcome = await asyncio.gather(click, return_exceptions=True)

    assert [ImageNotFound] == [type(error) for error in outcome]
    assert {} == world.l1.entries


async def test_an_image_that_is_uploaded_again_is_encoded_again(world: World) -> None:
    """Who clicks after a new upload does not wait for the encode that is to be thrown away."""
    world.backend.gate.clear()
    before = asyncio.create_task(world.get())
    await settle()
    world.embed.forget(IMAGE_ID)
    after = asyncio.create_task(world.get())
    await settle()
    world.backend.gate.set()
    first, second = await asyncio.gather(before, after, return_exceptions=True)

    assert isinstance(first, ImageNotFound)
    assert isinstance(second, Embedded)
    assert [KEY] == list(world.l1.entries)


async def test_what_is_held_outlives_its_image(world: World) -> None:
    """A prompt that is being decoded when its image is deleted is answered."""
    async with world.embed(IMAGE_ID, SPEC, call=CALL) as embedded:
        world.embed.forget(IMAGE_ID)
        seen = bytes(embedded.embedding.tensor)

    assert SPEC.embedding_bytes == len(seen)
    assert ({}, []) == (world.l1.entries, world.l1.held)


async def test_other_images_are_not_forgotten(world: World) -> None:
    """An encode of another image is kept."""
    other = await world.keep(b"another photo")
    world.backend.gate.clear()
    click = asyncio.create_task(world.get(other))
    await settle()
    world.embed.forget(IMAGE_ID)
    world.backend.gate.set()
    await click

    assert [other] == [key.image_id for key in world.l1.entries]


# Tenants


async def test_tenants_of_one_image_encode_once(world: World) -> None:
    """Two tenants' first clicks on an image that both have uploaded cost one encode."""
    world.backend.gate.clear()
    clicks = [asyncio.create_task(enter(world.embed, Tenant(name))) for name in ("acme", "other", "acme")]
    await settle()
    world.backend.gate.set()
    await asyncio.gather(*clicks)

    assert world.backend.encodes == 1


async def test_one_tenants_limit_refuses_nobody_else() -> None:
    """Who joins while somebody is refused for the same image gets it nevertheless."""
    world, limited = World(quotas=MemoryQuotas()), Tenant("limited", Limits(pixels_per_minute=1))
    await world.keep(PHOTO)
    await world.quotas.charge(limited, Quota.PIXELS, 1)

    asked = [enter(world.embed, tenant) for tenant in (limited, Tenant("free"))]
    answers = await asyncio.gather(*asked, return_exceptions=True)

    assert [True, False] == [isinstance(answer, QuotaExceeded) for answer in answers]
    assert world.backend.encodes == 1


async def test_an_encode_that_finds_no_place_costs_no_pixels() -> None:
    """Pixels are counted for what is encoded: to try again after a refusal is not charged twice."""
    world = World(quotas=MemoryQuotas(), waiting=0)
    limited = Tenant("limited", Limits(pixels_per_minute=SIZE.width * SIZE.height))
    other = await world.keep(b"another photo")
    await world.keep(PHOTO)
    world.backend.gate.clear()
    busy = asyncio.create_task(world.get(other))
    await settle()
    with pytest.raises(Overloaded):
        await enter(world.embed, limited)
    world.backend.gate.set()
    await busy

    await enter(world.embed, limited)

    assert 2 == world.backend.encodes


@pytest.mark.parametrize("fails", ["decoding", "encoding"])
async def test_each_decoding_costs_its_pixels(fails: str) -> None:
    """An image that can never be decoded, or encoded, is not tried for nothing without end."""
    world = World(quotas=MemoryQuotas())
    limited = Tenant("limited", Limits(pixels_per_minute=2 * SIZE.width * SIZE.height))
    await world.keep(PHOTO)
    error = InvalidImage("Damaged.") if fails == "decoding" else BackendUnavailable("Away.")
    world.decoder.prepare_error = error if fails == "decoding" else None
    world.backend.encode_error = error if fails == "encoding" else None

    outcomes = [await outcome_of(enter(world.embed, limited)) for _ in range(3)]

    assert [type(error), type(error), QuotaExceeded] == outcomes
    assert 2 == world.decoder.prepared


async def test_an_image_that_was_missing_costs_what_others_do() -> None:
    """Nothing is charged while an image is not there; its first decoding is, however often it was missed before."""
    world = World(quotas=MemoryQuotas())
    limited = Tenant("limited", Limits(pixels_per_minute=SIZE.width * SIZE.height))
    other = await world.keep(b"another photo")
    missing = await outcome_of(enter(world.embed, limited))
    await world.keep(PHOTO)

    outcomes = [await outcome_of(enter(world.embed, limited, each)) for each in (IMAGE_ID, other)]

    assert (ImageNotFound, [None, QuotaExceeded]) == (missing, outcomes)


async def outcome_of(asked: Awaitable[None]) -> type[MaskgateError] | None:
    try:
        await asked
    except MaskgateError as error:
        return type(error)
    return None


async def enter(embed: EmbedImage, tenant: Tenant, image_id: ImageId = IMAGE_ID) -> None:
    async with embed(image_id, SPEC, call=replace(CALL, tenant=tenant)):
        pass


# Encoders that are not running

STARTING = EncoderStarting("not yet", retry_after=0.2)


async def test_who_has_no_time_is_told_to_come_again(world: World) -> None:
    """A call that ends before an encoder is there hears so at once; it waits for nothing."""
    world.backend.encode_error = STARTING

    with pytest.raises(EncoderStarting):
        await world.get(call=Call(Deadline.after(0.1)))

    assert (0, 0) == (world.sample("embeddings_awaited"), world.sample("encodes_pending"))


async def test_no_encoder_costs_nothing() -> None:
    """Where none runs no image is decoded, and none is paid for: who comes again is charged when it is encoded."""
    world = World(quotas=MemoryQuotas())
    world.backend.encoder_error = STARTING
    limited = Tenant("limited", Limits(pixels_per_minute=SIZE.width * SIZE.height))
    await world.keep(PHOTO)
    in_a_hurry = replace(CALL, tenant=limited, deadline=Deadline.after(0.1))

    outcomes = [await outcome_of(world.get(call=in_a_hurry)) for _ in range(3)]
    decoded, world.backend.encoder_error = world.decoder.prepared, None
    await enter(world.embed, limited)

    assert ([EncoderStarting] * 3, 0) == (outcomes, decoded)


async def test_who_has_the_time_waits(world: World) -> None:
    """A call that may last longer waits for the encoder, with all others on its image, and is answered."""
    world.backend.encode_errors = [STARTING]
    calls = [asyncio.create_task(world.get(call=Call(Deadline.after(30 + number)))) for number in range(3)]
    while not world.backend.encodes:  # noqa: ASYNC110 - a number sets no event
        await asyncio.sleep(0)
    await settle()
    waiting = (world.sample("embeddings_awaited"), world.sample("encodes_pending"))
    world.backend.encoder.set()
    embedded = await asyncio.gather(*calls)

    assert (3, 1) == waiting
    assert 2 == world.backend.encodes
    assert {CacheTier.MISS} == {each.effort.tier for each in embedded}
    assert all(each.effort.queue > 0 for each in embedded)
    assert (0, 0) == (world.sample("embeddings_awaited"), world.sample("encodes_pending"))


async def test_waiting_ends_with_the_deadline(world: World) -> None:
    """An encoder that takes longer than was foreseen keeps nobody for ever."""
    world.backend.encode_error = EncoderStarting("not yet", retry_after=0.01)

    with pytest.raises(DeadlineExceeded):
        await world.get(call=Call(Deadline.after(0.1)))

    assert (0, 0) == (world.sample("embeddings_awaited"), world.sample("encodes_pending"))


async def test_no_more_wait_than_there_is_room_for() -> None:
    """As many images wait for an encoder as have a place when it is there; others are told to come again."""
    world = World(waiting=1)  # and one at work
    images = [await world.keep(name) for name in (b"one", b"two", b"three")]
    world.backend.encode_error = STARTING
    waiting = [asyncio.create_task(world.get(image)) for image in images[:2]]
    await settle()
    with pytest.raises(EncoderStarting):
        await world.get(images[2])
    joining = asyncio.create_task(world.get(images[0]))
    await settle()
    world.backend.encode_error = None
    world.backend.encoder.set()
    await asyncio.gather(*waiting, joining)

    assert (0, 0) == (world.sample("embeddings_awaited"), world.sample("encodes_pending"))
    assert CacheTier.MISS is (await world.get(images[2])).effort.tier


async def test_what_was_encoded_before_needs_no_encoder(world: World) -> None:
    """Images in either tier are there while none runs."""
    await world.get()
    world.backend.encode_error = STARTING
    first = await world.get()
    world.l1.entries.clear()
    second = await world.get()

    assert [CacheTier.L1, CacheTier.L2] == [first.effort.tier, second.effort.tier]


async def test_a_wait_holds_no_turn(world: World) -> None:
    """While one gateway waits for an encoder, another one that has found it encodes."""
    beside = World(beside=world)
    world.backend.encode_errors = [STARTING]
    waiting = asyncio.create_task(world.get())
    await settle()
    encoded = await beside.get()
    world.backend.encoder.set()
    shared = await waiting

    assert [CacheTier.MISS, CacheTier.L2] == [encoded.effort.tier, shared.effort.tier]
    assert (1, 1) == (world.backend.encodes, beside.backend.encodes)


async def test_pending_counts_images(world: World) -> None:
    """Of the images that have to be encoded each counts once, at work or waiting for a place."""
    world.backend.gate.clear()
    images = [IMAGE_ID, await world.keep(b"a second"), await world.keep(b"a third")]
    calls = [asyncio.create_task(world.get(image)) for image in images * 2]
    await settle()
    waiting = (world.sample("embeddings_awaited"), world.sample("encodes_pending"))
    world.backend.gate.set()
    await asyncio.gather(*calls)

    assert (6, 3) == waiting
    assert (0, 0) == (world.sample("embeddings_awaited"), world.sample("encodes_pending"))
