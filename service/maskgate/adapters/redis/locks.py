"""Whose turn it is to encode, in Redis: a key with an owner and an expiry.

As in the documentation of SET (https://redis.io/docs/latest/commands/set/, "Patterns"): taken by SET NX PX with a
random value, and given back by a script that compares it.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from maskgate.adapters.redis.names import embedding_name, encoding_name
from maskgate.domain.errors import CacheUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis.asyncio import Redis

    from maskgate.adapters.redis.connection import Breaker
    from maskgate.domain.embedding import EmbeddingKey

# All that somebody who waits wants to know, at one moment: who asks for the embedding and then for the owner misses
# both, where it ends in between. An owner who asks again is told that it is one: redis-py repeats a command whose
# answer was lost with its connection.
_TAKE: Final = """
if redis.call('EXISTS', KEYS[1]) == 1 then return 'there' end
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return 'yours' end
if redis.call('GET', KEYS[2]) == ARGV[1] then return 'yours' end
return 'taken'
"""
_RENEW: Final = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('PEXPIRE', KEYS[1], ARGV[2]) or 0"
_RELEASE: Final = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0"

_FIRST_PAUSE: Final = 0.02
_LONGEST_PAUSE: Final = 0.2
_GROWTH: Final = 1.5
_RENEWALS: Final = 3
"""In the time of a lease, the last one too late: one may get lost."""


class RedisEncodeLocks:
    """Leases that all gateways of one Redis see.

    Who waits asks again and again. A gateway asks once for all its callers, so few do; a subscription would be a second
    connection to lose, and an owner that dies says nothing.

    Args:
        redis: The client.
        breaker: Of that client.
        lease: Seconds after its owner's death that a turn ends.
        patience: Seconds to wait for others' turns, beside the time that Redis takes to answer.
    """

    def __init__(self, redis: Redis, *, breaker: Breaker, lease: float, patience: float) -> None:
        self._breaker = breaker
        self._lease = lease
        self._patience = patience
        self._take_script = redis.register_script(_TAKE)
        self._renew_script = redis.register_script(_RENEW)
        self._release_script = redis.register_script(_RELEASE)
        self._myself = f"{socket.gethostname()}:{os.getpid()}"  # for people who look

    async def take(self, key: EmbeddingKey) -> RedisLease | None:
        """See EncodeLocks."""
        owner = f"{self._myself}:{secrets.token_hex(8)}"
        try:
            return await self._taken(key, owner)
        except asyncio.CancelledError:
            with suppress(CacheUnavailable):  # the answer may have been on its way: nobody would end that turn
                await self.release(encoding_name(key), owner)
            raise

    async def _taken(self, key: EmbeddingKey, owner: str) -> RedisLease | None:
        for number, pause in enumerate(_pauses(self._patience)):
            answer = await self._ask(key, owner)
            if answer == b"there":
                return None
            if answer == b"yours":
                return RedisLease(self, encoding_name(key), owner, taken_over=number > 0)
            await asyncio.sleep(pause)
        raise CacheUnavailable("Others have been making the embedding for too long.")

    async def renew(self, name: str, owner: str) -> bool:
        """Let a lease last on; False where it is somebody else's or nobody's by now. Raises CacheUnavailable."""
        with self._breaker.asking(CacheUnavailable):
            return bool(await self._renew_script(keys=[name], args=[owner, self._milliseconds]))

    async def release(self, name: str, owner: str) -> None:
        """End a lease, unless it is somebody else's by now. Raises CacheUnavailable."""
        with self._breaker.asking(CacheUnavailable):
            await self._release_script(keys=[name], args=[owner])

    @property
    def seconds_between_renewals(self) -> float:
        """How often an owner has to say that it lives."""
        return self._lease / _RENEWALS

    @property
    def _milliseconds(self) -> int:
        return round(self._lease * 1000)

    async def _ask(self, key: EmbeddingKey, owner: str) -> bytes:
        names = [embedding_name(key), encoding_name(key)]
        with self._breaker.asking(CacheUnavailable):
            answer: bytes = await self._take_script(keys=names, args=[owner, self._milliseconds])
        return answer


class RedisLease:
    """A turn that is renewed until it is released or lost. What is being made under it is as good after that."""

    def __init__(self, locks: RedisEncodeLocks, name: str, owner: str, *, taken_over: bool) -> None:
        self._locks = locks
        self._name = name
        self._owner = owner
        self.taken_over = taken_over
        self._renewing = asyncio.create_task(self._renew_until_lost(), name=f"lease {name}")

    async def release(self) -> None:
        """See Lease."""
        self._renewing.cancel()
        with suppress(CacheUnavailable):
            await self._locks.release(self._name, self._owner)

    async def _renew_until_lost(self) -> None:
        mine = True
        while mine:
            await asyncio.sleep(self._locks.seconds_between_renewals)
            with suppress(CacheUnavailable):  # the next one may come through
                mine = await self._locks.renew(self._name, self._owner)


def _pauses(patience: float) -> Iterator[float]:
    """Seconds between questions: longer each time, and by chance, so that who began at once does not ask at once."""
    pause, left = _FIRST_PAUSE, patience
    while left > 0:
        chosen = min(left, random.uniform(pause / 2, pause))  # noqa: S311 - spreads questions, guards nothing
        yield chosen
        left -= chosen
        pause = min(pause * _GROWTH, _LONGEST_PAUSE)
