"""Redis or Valkey: the second tier of embeddings, and the images."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from maskgate.domain.embedding import Embedding
from maskgate.domain.errors import CacheUnavailable, StoreUnavailable
from maskgate.domain.image import ImageInfo, ImageSize

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maskgate.domain.embedding import EmbeddingKey
    from maskgate.domain.errors import Unavailable
    from maskgate.domain.image import ImageId

# One namespace and layout version for all keys, so that a shared Redis can be looked at and cleared.
_EMBEDDING_KEY = "maskgate:1:embedding:"
_IMAGE_KEY = "maskgate:1:image:"
_NO_ANSWER = (RedisConnectionError, RedisTimeoutError, OSError, TimeoutError)


@dataclass(frozen=True, slots=True)
class RedisBounds:
    """Limits of the connection to Redis.

    Attributes:
        connections: Size of the pool; further calls wait for a connection as long as for a reply.
        connect_timeout: Seconds to connect.
        timeout: Seconds for one reply. An image or an embedding of megabytes has to fit.
    """

    connections: int
    connect_timeout: float
    timeout: float


def create_redis(url: str, bounds: RedisBounds) -> Redis:
    """Create a client; nothing is connected before the first command.

    A connection that Redis has closed in the meantime is opened anew once, without delay. More patience is not ours to
    have: a click waits for it.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=bounds.connections,
        timeout=bounds.timeout,
        socket_timeout=bounds.timeout,
        socket_connect_timeout=bounds.connect_timeout,
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
    )
    return Redis.from_pool(pool)


class Breaker:
    """Remembers that Redis did not answer, so that not every call waits for it again.

    Args:
        pause: Seconds for which it is then not asked. A ping that succeeds ends them.
    """

    def __init__(self, *, pause: float = 5.0) -> None:
        self._pause = pause
        self._ask_again = 0.0

    @contextmanager
    def asking(self, error: type[Unavailable]) -> Iterator[None]:
        """Surround a command: the one seam where redis-py's errors become ours."""
        if monotonic() < self._ask_again:
            raise error("Redis did not answer a moment ago.")
        with self.translating(error):
            yield

    @contextmanager
    def translating(self, error: type[Unavailable]) -> Iterator[None]:
        """Surround a command that is to be tried whatever happened before."""
        try:
            yield
        except (RedisError, OSError, TimeoutError) as cause:
            if isinstance(cause, _NO_ANSWER):
                self._ask_again = monotonic() + self._pause
            raise error(f"Redis did not answer: {type(cause).__name__}.") from cause
        else:
            self._ask_again = 0.0


class RedisEmbeddingCache:
    """L2: embeddings that all gateways share, with their header. Expires and is evicted by Redis."""

    def __init__(self, redis: Redis, *, ttl: int, breaker: Breaker) -> None:
        self._redis = redis
        self._ttl = ttl
        self._breaker = breaker

    async def get(self, key: EmbeddingKey) -> Embedding | None:
        """See EmbeddingCache."""
        with self._breaker.asking(CacheUnavailable):
            data = await self._redis.getex(f"{_EMBEDDING_KEY}{key}", ex=self._ttl)
        return Embedding.from_bytes(data) if isinstance(data, bytes) else None

    async def put(self, key: EmbeddingKey, embedding: Embedding) -> None:
        """See EmbeddingCache."""
        with self._breaker.asking(CacheUnavailable):
            await self._redis.set(f"{_EMBEDDING_KEY}{key}", embedding.to_bytes(), ex=self._ttl)


class RedisImageStore:
    """Images as hashes of two fields, so that what is known of one can be read without its bytes."""

    def __init__(self, redis: Redis, *, ttl: int, breaker: Breaker) -> None:
        self._redis = redis
        self._ttl = ttl
        self._breaker = breaker

    async def put(self, info: ImageInfo, content: bytes) -> None:
        """See ImageStore."""
        key = f"{_IMAGE_KEY}{info.image_id}"
        with self._breaker.asking(StoreUnavailable):
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.hset(key, mapping={"info": _dump(info), "content": content})
                pipe.expire(key, self._ttl)
                await pipe.execute()

    async def info(self, image_id: ImageId) -> ImageInfo | None:
        """See ImageStore."""
        data = await self._field(image_id, "info")
        return None if data is None else _load(image_id, data)

    async def content(self, image_id: ImageId) -> bytes | None:
        """See ImageStore."""
        return await self._field(image_id, "content")

    async def _field(self, image_id: ImageId, field: str) -> bytes | None:
        key = f"{_IMAGE_KEY}{image_id}"
        with self._breaker.asking(StoreUnavailable):
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.hget(key, field)
                pipe.expire(key, self._ttl)
                value, _ = await pipe.execute()
        data: bytes | None = value
        return data


def _dump(info: ImageInfo) -> str:
    return json.dumps(
        {
            "width": info.size.width,
            "height": info.size.height,
            "format": info.format,
            "size_bytes": info.size_bytes,
        }
    )


def _load(image_id: ImageId, data: bytes) -> ImageInfo | None:
    """Read what `_dump` wrote; None where it is damaged, so that the image is uploaded again."""
    try:
        known = json.loads(data)
        size = ImageSize(known["width"], known["height"])
        return ImageInfo(image_id, size, known["format"], known["size_bytes"])
    except (ValueError, TypeError, LookupError):
        return None


async def ping(redis: Redis, breaker: Breaker) -> None:
    """Check that Redis answers. Raises CacheUnavailable."""
    with breaker.translating(CacheUnavailable):
        await redis.ping()
