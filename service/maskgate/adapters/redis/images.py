"""Images in Redis."""

from __future__ import annotations

import json
from time import monotonic
from typing import TYPE_CHECKING, Final

from maskgate.adapters.redis.grants import HELD
from maskgate.adapters.redis.names import DELETED, granted_name, holders_name, image_name
from maskgate.domain.errors import StoreUnavailable
from maskgate.domain.image import ImageInfo, ImageSize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from maskgate.adapters.redis.connection import Breaker
    from maskgate.domain.image import ImageId
    from maskgate.domain.tenant import Tenant


_WEEK: Final = 7 * 24 * 3600

_PUT_BACK: Final = """
local deleted = redis.call('ZSCORE', KEYS[2], ARGV[1])
if deleted and tonumber(deleted) > tonumber(ARGV[5]) then return 0 end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('HSET', KEYS[1], 'info', ARGV[2], 'content', ARGV[3])
return redis.call('EXPIRE', KEYS[1], ARGV[4])
"""

# Each deletion has a later time than the ones before, whatever the clock says: who has heard of one need not be told of
# it again (deletions.py).
_DELETE: Final = (
    HELD
    + """
if held(KEYS[3], ARGV[1], ARGV[3], ARGV[4], ARGV[5]) then return 0 end
redis.call('UNLINK', KEYS[1])
local seconds, microseconds = unpack(redis.call('TIME'))
local now = seconds * 1000000 + microseconds
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now - ARGV[2] * 1000000))
local last = redis.call('ZREVRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2]
redis.call('ZADD', KEYS[2], string.format('%.0f', math.max(now, (tonumber(last) or 0) + 1)), ARGV[1])
return 1
"""
)


class RedisImageStore:
    """Images as hashes of two fields, so that what is known of one can be read without its bytes.

    Args:
        redis: The client.
        ttl: Seconds that an image lives which nobody asks for.
        breaker: Of that client.
        deletion_ttl: Seconds for which it is known that an image was deleted: as long as anything made of it lives.
        grant_ttl: Seconds after its last use that a grant ends; 0 where nobody is granted anything, and nobody's image
            is in the way of who deletes it.
    """

    def __init__(
        self, redis: Redis, *, ttl: int, breaker: Breaker, deletion_ttl: int = _WEEK, grant_ttl: int = 0
    ) -> None:
        self._redis = redis
        self._ttl = ttl
        self._breaker = breaker
        self._deletion_ttl = deletion_ttl
        self._grant_ttl = grant_ttl
        self._put_back_script = redis.register_script(_PUT_BACK)
        self._delete_script = redis.register_script(_DELETE)

    async def put(self, info: ImageInfo, content: bytes) -> None:
        """See ImageStore."""
        key = image_name(info.image_id)
        with self._breaker.asking(StoreUnavailable):
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.hset(key, mapping={"info": _dump(info), "content": content})
                pipe.expire(key, self._ttl)
                pipe.zrem(DELETED, str(info.image_id))
                await pipe.execute()

    async def put_back(self, info: ImageInfo, content: bytes, *, age: float | None = None) -> bool:
        """See SharedImageStore."""
        keys = [image_name(info.image_id), DELETED]
        with self._breaker.asking(StoreUnavailable):
            came = 0.0 if age is None else await self._microseconds_ago(age)
            arguments: list[str | bytes | int] = [str(info.image_id), _dump(info), content, self._ttl, f"{came:.0f}"]
            return bool(await self._put_back_script(keys=keys, args=arguments))

    async def info(self, image_id: ImageId) -> ImageInfo | None:
        """See ImageStore."""
        data = await self._field(image_id, "info")
        return None if data is None else _load(image_id, data)

    async def infos(self, image_ids: Sequence[ImageId]) -> list[ImageInfo | None]:
        """See ImageStore."""
        with self._breaker.asking(StoreUnavailable):
            async with self._redis.pipeline(transaction=False) as pipe:
                for key in map(image_name, image_ids):
                    pipe.hget(key, "info")
                    pipe.expire(key, self._ttl)
                found = (await pipe.execute())[::2]
        return [
            None if data is None else _load(image_id, data) for image_id, data in zip(image_ids, found, strict=True)
        ]

    async def content(self, image_id: ImageId) -> bytes | None:
        """See ImageStore."""
        return await self._field(image_id, "content")

    async def delete(self, image_id: ImageId, *, but_for: Tenant | None = None) -> bool:
        """See ImageStore."""
        keys = [image_name(image_id), DELETED, holders_name(str(image_id))]
        tenant = but_for.name if but_for else ""
        arguments: list[str | int] = [str(image_id), self._deletion_ttl, self._grant_ttl, tenant, granted_name("")]
        with self._breaker.asking(StoreUnavailable):
            return bool(await self._delete_script(keys=keys, args=arguments))

    async def _microseconds_ago(self, age: float) -> float:
        """Return when that was on Redis' clock, or a little earlier: by how long it takes to say what time it is.

        So a deletion that came just before may count as one that came just after, and never the other way round.
        """
        asked = monotonic()
        seconds, microseconds = await self._redis.time()
        return seconds * 1e6 + microseconds - (age + monotonic() - asked) * 1e6

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
