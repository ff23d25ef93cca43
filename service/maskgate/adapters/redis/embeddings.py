"""Embeddings in Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskgate.adapters.redis.names import DELETED, embedded_name, embedding_name
from maskgate.domain.embedding import Embedding, EmbeddingStorage
from maskgate.domain.errors import CacheUnavailable

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.typing import EncodableT, FieldT

    from maskgate.adapters.redis.connection import Breaker
    from maskgate.domain.embedding import EmbeddingKey
    from maskgate.domain.image import ImageId
    from maskgate.ports import Offload

PIECE_BYTES = 2**20 - 64
"""A piece, with Redis' header of a string (10 bytes), fills one of jemalloc's sizes, 1 MiB.

Those are powers of two and three steps between, so one string of an embedding of SAM, 2 MiB and a header, took 2.5 MiB
(MEMORY USAGE in Redis 7.0.15 with jemalloc 5.3: 2,621,496 bytes; in pieces 2,097,760: benchmarks/redis_bytes.py).
"""


class RedisEmbeddingCache:
    """L2: embeddings that all gateways share, with their header, as hashes of pieces. Redis expires and evicts them.

    Each image has a set of the names of its embeddings, so that they can be deleted whatever model made them.
    Megabytes are written and read beside the event loop; whatever the storage, those of the other one are read.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        ttl: int,
        breaker: Breaker,
        offload: Offload,
        storage: EmbeddingStorage = EmbeddingStorage.FP16,
    ) -> None:
        self._redis = redis
        self._ttl = ttl
        self._breaker = breaker
        self._offload = offload
        self._storage = storage

    async def get(self, key: EmbeddingKey) -> Embedding | None:
        """See EmbeddingCache."""
        name = embedding_name(key)
        with self._breaker.asking(CacheUnavailable):
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.hgetall(name)
                pipe.expire(name, self._ttl)
                pipe.expire(embedded_name(key.image_id), self._ttl)
                pipe.zscore(DELETED, str(key.image_id))  # asked last: what was deleted meanwhile is not given away
                pieces, *_, deleted = await pipe.execute()
        return None if deleted else await self._offload(lambda: Embedding.from_bytes(_joined(pieces)))

    async def put(self, key: EmbeddingKey, embedding: Embedding) -> None:
        """See EmbeddingCache."""
        name, names = embedding_name(key), embedded_name(key.image_id)
        with self._breaker.asking(CacheUnavailable):
            pieces = await self._offload(lambda: _pieces(embedding.to_bytes(self._storage)))
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.unlink(name)  # pieces of what was there, and what is no hash
                pipe.hset(name, mapping=pieces)
                pipe.expire(name, self._ttl)
                pipe.sadd(names, name)
                pipe.expire(names, self._ttl)
                pipe.zscore(DELETED, str(key.image_id))
                *_, deleted = await pipe.execute()
            if deleted:  # while the embedding was made; nobody was given it meanwhile
                await self._redis.unlink(name, names)

    async def delete(self, image_id: ImageId) -> None:
        """See EmbeddingCache."""
        names = embedded_name(image_id)
        with self._breaker.asking(CacheUnavailable):
            await self._redis.unlink(names, *await self._redis.smembers(names))


def _pieces(data: bytes) -> dict[FieldT, EncodableT]:
    """Cut a value; the names of the fields sort as the pieces follow each other."""
    starts = range(0, len(data), PIECE_BYTES)
    return {f"{number:04}": data[start : start + PIECE_BYTES] for number, start in enumerate(starts)}


def _joined(pieces: dict[bytes, bytes]) -> bytes:
    return b"".join(pieces[name] for name in sorted(pieces))
