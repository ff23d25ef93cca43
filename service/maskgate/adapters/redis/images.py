"""Images in Redis."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from maskgate.adapters.redis.names import image_name
from maskgate.domain.errors import StoreUnavailable
from maskgate.domain.image import ImageInfo, ImageSize

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from maskgate.adapters.redis.connection import Breaker
    from maskgate.domain.image import ImageId


class RedisImageStore:
    """Images as hashes of two fields, so that what is known of one can be read without its bytes."""

    def __init__(self, redis: Redis, *, ttl: int, breaker: Breaker) -> None:
        self._redis = redis
        self._ttl = ttl
        self._breaker = breaker

    async def put(self, info: ImageInfo, content: bytes) -> None:
        """See ImageStore."""
        key = image_name(info.image_id)
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
        key = image_name(image_id)
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
