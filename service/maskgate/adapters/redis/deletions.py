"""Which images were deleted, as all gateways of one Redis hear of it."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from maskgate.adapters.redis.names import DELETED
from maskgate.domain.errors import StoreUnavailable
from maskgate.domain.image import ImageId

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from maskgate.adapters.redis.connection import Breaker

_AT_ONCE = 1000


class RedisDeletions:
    """Reads on where it read last. A list can be read later, by who was cut off: what is published is gone."""

    def __init__(self, redis: Redis, *, breaker: Breaker) -> None:
        self._redis = redis
        self._breaker = breaker
        self._opened = monotonic()
        self._read_to: float | None = None

    async def heard(self) -> list[ImageId]:
        """See Deletions."""
        with self._breaker.asking(StoreUnavailable):
            start = await self._beginning() if self._read_to is None else self._read_to
            found: list[tuple[bytes, float]] = await self._redis.zrangebyscore(  # type: ignore[assignment] # with scores
                DELETED, f"({start:.0f}", "+inf", start=0, num=_AT_ONCE, withscores=True
            )
        self._read_to = found[-1][1] if found else start
        return [ImageId(member.decode()) for member, _ in found]

    async def _beginning(self) -> float:
        """Return when this began to listen, on Redis' clock, which may have been away since then."""
        seconds, microseconds = await self._redis.time()
        return seconds * 1e6 + microseconds - (monotonic() - self._opened) * 1e6
