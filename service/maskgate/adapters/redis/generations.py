"""What generations have found, in Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskgate.adapters.redis.names import generation_name
from maskgate.domain.errors import CacheUnavailable
from maskgate.domain.generation.candidates import Candidates

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from maskgate.adapters.redis.connection import Breaker


class RedisGenerationNotes:
    """A key for each batch, of some kilobytes; Redis expires them."""

    def __init__(self, redis: Redis, *, ttl: int, breaker: Breaker) -> None:
        self._redis = redis
        self._ttl = ttl
        self._breaker = breaker

    async def get(self, batch: str) -> Candidates | None:
        """See GenerationNotes."""
        with self._breaker.asking(CacheUnavailable):
            data = await self._redis.get(generation_name(batch))
        return Candidates.from_bytes(data) if isinstance(data, bytes) else None

    async def put(self, batch: str, found: Candidates) -> None:
        """See GenerationNotes."""
        with self._breaker.asking(CacheUnavailable):
            await self._redis.set(generation_name(batch), found.to_bytes(), ex=self._ttl)
