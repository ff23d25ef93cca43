"""The connection to Redis: its bounds, and what to do while it does not answer."""

from __future__ import annotations

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

from maskgate.domain.errors import CacheUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maskgate.domain.errors import Unavailable

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


async def ping(redis: Redis, breaker: Breaker) -> None:
    """Check that Redis answers. Raises CacheUnavailable."""
    with breaker.translating(CacheUnavailable):
        await redis.ping()
