"""What EmbeddingCache promises, asked of every adapter, and of the fake that stands in for them elsewhere."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from maskgate.adapters.redis import Breaker, RedisEmbeddingCache, RedisImageStore, ping
from maskgate.domain.embedding import Embedding, EmbeddingKey, EmbeddingStorage
from maskgate.domain.errors import CacheUnavailable, StoreUnavailable
from maskgate.domain.image import ImageId, ImageInfo, ImageSize
from tests.contract.conftest import connected
from tests.fakes import SPEC, FakeCache, FakeStore, inline

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from maskgate.ports import EmbeddingCache, ImageStore
    from maskgate.stack import EmbeddedStack

KEY = EmbeddingKey.of(ImageId.of(b"photo"), SPEC)
EMBEDDING = Embedding(ImageSize(640, 427), bytes(range(256)) * 8192)  # 2 MiB, as SAM's
OTHER = Embedding(ImageSize(1, 1), b"\0\xff")
TTL = 100


def numbers(seed: int, *, shape: tuple[int, ...] = (256, 64, 64)) -> Embedding:
    """An embedding of fp16 numbers; some channels are far larger than others, and one is 0."""
    generator = np.random.default_rng(seed)
    tensor = generator.normal(size=shape) * np.logspace(-3, 3, shape[0])[:, None, None]
    tensor[0] = 0
    return Embedding(ImageSize(640, 427), tensor.astype("<f2").tobytes())


@pytest.fixture(params=["fake", "redis"])
def tier(request: pytest.FixtureRequest) -> tuple[EmbeddingCache, ImageStore]:
    """A cache, and the store beside it."""
    if request.param == "fake":
        store = FakeStore()
        return FakeCache(store), store
    redis = request.getfixturevalue("redis")
    cache = RedisEmbeddingCache(redis, ttl=TTL, breaker=Breaker(), offload=inline)
    return cache, RedisImageStore(redis, ttl=TTL, breaker=Breaker())


@pytest.fixture
def cache(tier: tuple[EmbeddingCache, ImageStore]) -> EmbeddingCache:
    return tier[0]


@pytest.fixture
def store(tier: tuple[EmbeddingCache, ImageStore]) -> ImageStore:
    return tier[1]


class TestEveryEmbeddingCache:
    """Holds every adapter to the same behaviour."""

    async def test_nothing_is_there_before_it_is_put(self, cache: EmbeddingCache) -> None:
        """An embedding that nobody put is None."""
        assert await cache.get(KEY) is None

    async def test_what_was_put_is_got(self, cache: EmbeddingCache) -> None:
        """Size and tensor come back as they were, again and again."""
        await cache.put(KEY, EMBEDDING)

        assert [EMBEDDING, EMBEDDING] == [await cache.get(KEY), await cache.get(KEY)]

    async def test_the_last_put_counts(self, cache: EmbeddingCache) -> None:
        """An embedding takes the place of one of the same key."""
        await cache.put(KEY, EMBEDDING)
        await cache.put(KEY, OTHER)

        assert OTHER == await cache.get(KEY)

    async def test_keys_do_not_meet(self, cache: EmbeddingCache) -> None:
        """Another precision is another embedding."""
        await cache.put(KEY, EMBEDDING)

        assert await cache.get(replace(KEY, precision="bf16")) is None

    async def test_what_is_deleted_is_none(self, cache: EmbeddingCache) -> None:
        """All embeddings of an image are deleted, whatever model made them, and none of another image."""
        image_id = ImageId.of(b"another photo")
        keys = [KEY, replace(KEY, model="large"), replace(KEY, image_id=image_id)]
        for key in keys:
            await cache.put(key, OTHER)

        await cache.delete(KEY.image_id)
        await cache.delete(ImageId.of(b"a photo that was never there"))

        assert [None, None, OTHER] == [await cache.get(key) for key in keys]

    async def test_embeddings_of_a_deleted_image(self, cache: EmbeddingCache, store: ImageStore) -> None:
        """One that was being made while its image was deleted is not taken; once it is uploaded again, it is."""
        await store.delete(KEY.image_id)
        await cache.put(KEY, OTHER)
        deleted = await cache.get(KEY)
        await store.put(ImageInfo(KEY.image_id, ImageSize(1, 1), "PNG", 5), b"photo")
        uploaded = await cache.get(KEY)
        await cache.put(KEY, OTHER)

        assert [None, None, OTHER] == [deleted, uploaded, await cache.get(KEY)]

    async def test_calls_at_once(self, cache: EmbeddingCache) -> None:
        """More calls at once than there are connections are all answered."""
        keys = [replace(KEY, model=f"model{number}") for number in range(20)]
        await asyncio.gather(*(cache.put(key, OTHER) for key in keys))

        assert [OTHER] * 20 == await asyncio.gather(*map(cache.get, keys))


async def test_redis_forgets_after_a_while(redis: Redis) -> None:
    """An embedding lives as long as somebody asks for it within its time."""
    cache = RedisEmbeddingCache(redis, ttl=TTL, breaker=Breaker(), offload=inline)
    await cache.put(KEY, OTHER)
    (name,) = await redis.keys("maskgate:2:embedding:*")
    fresh = await redis.ttl(name)
    await redis.expire(name, 5)

    await cache.get(KEY)
    refreshed = await redis.ttl(name)

    assert TTL - 2 <= fresh <= TTL
    assert TTL - 2 <= refreshed <= TTL


@pytest.mark.parametrize("damaged", [b"", b"MGE1", b"garbage" * 100, EMBEDDING.to_bytes()[:-1]])
async def test_damaged_entries_are_none(redis: Redis, damaged: bytes) -> None:
    """What is no whole embedding is none, and can be replaced by one."""
    cache = RedisEmbeddingCache(redis, ttl=TTL, breaker=Breaker(), offload=inline)
    await cache.put(KEY, EMBEDDING)
    (name,) = await redis.keys("maskgate:2:embedding:*")
    await redis.delete(name)
    await redis.hset(name, "0000", damaged)

    found = await cache.get(KEY)
    await cache.put(KEY, EMBEDDING)

    assert found is None
    assert EMBEDDING == await cache.get(KEY)


@pytest.mark.parametrize("lost", ["0000", "0001", "0002"])
async def test_an_entry_that_lacks_a_piece_is_none(redis: Redis, lost: str) -> None:
    """Pieces that do not make a whole are no embedding."""
    cache = RedisEmbeddingCache(redis, ttl=TTL, breaker=Breaker(), offload=inline)
    await cache.put(KEY, EMBEDDING)
    (name,) = await redis.keys("maskgate:2:embedding:*")
    await redis.hdel(name, lost)

    assert await cache.get(KEY) is None


async def test_a_shorter_entry_leaves_no_piece_behind(redis: Redis) -> None:
    """An embedding in place of a longer one is read alone."""
    cache = RedisEmbeddingCache(redis, ttl=TTL, breaker=Breaker(), offload=inline)
    await cache.put(KEY, EMBEDDING)
    await cache.put(KEY, OTHER)

    assert OTHER == await cache.get(KEY)


async def test_an_entry_of_another_type_is_unavailable(redis: Redis) -> None:
    """A key that somebody else uses for something else fails no request: it is unreadable until it is replaced."""
    cache = RedisEmbeddingCache(redis, ttl=TTL, breaker=Breaker(), offload=inline)
    await cache.put(KEY, EMBEDDING)
    (name,) = await redis.keys("maskgate:2:embedding:*")
    await redis.set(name, "value")

    with pytest.raises(CacheUnavailable):
        await cache.get(KEY)
    await cache.put(KEY, EMBEDDING)

    assert EMBEDDING == await cache.get(KEY)


async def test_an_embedding_that_is_left_of_a_deleted_image_is_not_given(redis: Redis) -> None:
    """Between the deletion of an image and that of its embeddings nobody gets them any more."""
    cache = RedisEmbeddingCache(redis, ttl=TTL, breaker=Breaker(), offload=inline)
    await cache.put(KEY, OTHER)

    await RedisImageStore(redis, ttl=TTL, breaker=Breaker()).delete(KEY.image_id)

    assert await cache.get(KEY) is None


async def test_nothing_is_left_of_what_comes_too_late(redis: Redis) -> None:
    """Of an embedding whose image was deleted while it was made neither bytes nor names stay in Redis."""
    await RedisImageStore(redis, ttl=TTL, breaker=Breaker()).delete(KEY.image_id)

    await RedisEmbeddingCache(redis, ttl=TTL, breaker=Breaker(), offload=inline).put(KEY, OTHER)

    assert [b"maskgate:1:deleted"] == await redis.keys("*")


async def test_names_live_as_long_as_their_embeddings(redis: Redis) -> None:
    """What an embedding that is asked for again and again is called is known for as long as it is there."""
    cache = RedisEmbeddingCache(redis, ttl=TTL, breaker=Breaker(), offload=inline)
    await cache.put(KEY, OTHER)
    (names,) = await redis.keys("maskgate:1:embedded:*")
    await redis.expire(names, 5)

    await cache.get(KEY)

    assert await redis.ttl(names) >= TTL - 2


async def test_gateways_of_the_former_layout_share_redis(redis: Redis) -> None:
    """An embedding as one string, under its former name, is not looked at, and not overwritten."""
    cache = RedisEmbeddingCache(redis, ttl=TTL, breaker=Breaker(), offload=inline)
    former = f"maskgate:1:embedding:{KEY}"
    await redis.set(former, EMBEDDING.to_bytes())

    found = await cache.get(KEY)
    await cache.put(KEY, OTHER)

    assert found is None
    assert EMBEDDING.to_bytes() == await redis.get(former)


async def test_an_embedding_takes_little_more_than_its_bytes(redis: Redis) -> None:
    """One of SAM takes at most 2.1 MiB of Redis' memory."""
    cache = RedisEmbeddingCache(redis, ttl=TTL, breaker=Breaker(), offload=inline)
    await cache.put(KEY, EMBEDDING)
    (name,) = await redis.keys("maskgate:2:embedding:*")
    taken = await redis.memory_usage(name, samples=0)

    assert taken is not None
    assert 2 * 2**20 < taken <= 2.1 * 2**20


@pytest.mark.parametrize(
    ("written", "read"),
    [(EmbeddingStorage.INT8, EmbeddingStorage.FP16), (EmbeddingStorage.FP16, EmbeddingStorage.INT8)],
    ids=["int8 to fp16", "fp16 to int8"],
)
async def test_gateways_read_either_storage(redis: Redis, written: EmbeddingStorage, read: EmbeddingStorage) -> None:
    """Gateways of either setting read what those of the other one wrote: int8 within half a step of it."""
    embedding = numbers(1)
    writer, reader = [
        RedisEmbeddingCache(redis, ttl=TTL, breaker=Breaker(), offload=inline, storage=storage)
        for storage in (written, read)
    ]
    await writer.put(KEY, embedding)

    found = await reader.get(KEY)

    assert found is not None
    assert embedding.original == found.original
    expected, actual = (np.frombuffer(it.tensor, "<f2").astype(float).reshape(-1, 64) for it in (embedding, found))
    bound = 0 if written is EmbeddingStorage.FP16 else np.abs(expected).max(axis=1, keepdims=True) / 127 * 0.55
    assert (np.abs(actual - expected) <= bound + 1e-5).all()


async def test_int8_takes_half_of_it(redis: Redis) -> None:
    """An embedding of SAM takes at most 1.1 MiB as int8, in Redis' usual allocator as well."""
    cache = RedisEmbeddingCache(redis, ttl=TTL, breaker=Breaker(), offload=inline, storage=EmbeddingStorage.INT8)
    await cache.put(KEY, numbers(2))
    (name,) = await redis.keys("maskgate:2:embedding:*")
    taken, pieces = await redis.memory_usage(name, samples=0), await redis.hvals(name)

    assert taken is not None
    assert taken <= 1.1 * 2**20
    assert sum(jemalloc_size(len(piece) + SDS_OVERHEAD) for piece in pieces) <= 1.1 * 2**20


async def test_pieces_fill_what_jemalloc_allocates(redis: Redis) -> None:
    """The Valkey of these tests is built with libc's malloc; in Redis' usual one, too, little is lost."""
    cache = RedisEmbeddingCache(redis, ttl=TTL, breaker=Breaker(), offload=inline)
    await cache.put(KEY, EMBEDDING)
    (name,) = await redis.keys("maskgate:2:embedding:*")
    pieces = await redis.hvals(name)

    assert 2.5 * 2**20 == jemalloc_size(len(EMBEDDING.to_bytes()) + SDS_OVERHEAD)
    assert sum(jemalloc_size(len(piece) + SDS_OVERHEAD) for piece in pieces) <= 2.01 * 2**20


SDS_OVERHEAD = 10  # of a string of 64 KiB and more: length and size (4 bytes each), flags, NUL (src/sds.h)


def jemalloc_size(size: int) -> int:
    """What jemalloc sets aside for `size` bytes: of its sizes there are four to each doubling (jemalloc(3))."""
    step = max(16, 2 ** ((size - 1).bit_length() - 3))
    return -(-size // step) * step


async def test_without_redis_it_is_soon_unavailable(broken_redis: Redis) -> None:
    """A Redis that is not there or does not answer costs no more than the timeouts."""
    cache = RedisEmbeddingCache(broken_redis, ttl=TTL, breaker=Breaker(), offload=inline)

    async with asyncio.timeout(8):
        with pytest.raises(CacheUnavailable):
            await cache.get(KEY)
        with pytest.raises(CacheUnavailable):
            await cache.put(KEY, OTHER)
        with pytest.raises(CacheUnavailable):
            await cache.delete(KEY.image_id)


async def test_redis_that_does_not_answer_is_waited_for_once(broken_redis: Redis) -> None:
    """After a call that waited in vain the next ones are refused at once, on the store as well; a ping still asks."""
    breaker = Breaker(pause=60)
    cache = RedisEmbeddingCache(broken_redis, ttl=TTL, breaker=breaker, offload=inline)
    store = RedisImageStore(broken_redis, ttl=TTL, breaker=breaker)
    with pytest.raises(CacheUnavailable):
        await cache.get(KEY)

    with pytest.raises(CacheUnavailable, match="a moment ago"):
        await cache.put(KEY, OTHER)
    with pytest.raises(StoreUnavailable, match="a moment ago"):
        await store.info(KEY.image_id)
    with pytest.raises(CacheUnavailable, match="did not answer: "):
        await ping(broken_redis, breaker)


async def test_redis_that_comes_back_is_used_again(valkey: EmbeddedStack) -> None:
    """A restarted Redis needs no restarted gateway: connections are opened anew."""
    async with connected(valkey.endpoints.redis) as client:
        breaker = Breaker()
        cache = RedisEmbeddingCache(client, ttl=TTL, breaker=breaker, offload=inline)
        await cache.put(KEY, OTHER)
        valkey.stop("valkey")
        try:
            with pytest.raises(CacheUnavailable):
                await cache.get(KEY)
        finally:
            valkey.start("valkey")
        await ping(client, breaker)
        forgotten = await cache.get(KEY)
        await cache.put(KEY, OTHER)

        assert forgotten is None
        assert OTHER == await cache.get(KEY)
