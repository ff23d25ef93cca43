"""Masks in Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from maskgate.adapters.redis.names import mask_name
from maskgate.domain.errors import CacheUnavailable
from maskgate.domain.packed_logits import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt
    from redis.asyncio import Redis

    from maskgate.adapters.redis.connection import Breaker
    from maskgate.domain.mask_handle import MaskAddress
    from maskgate.ports import Offload


class RedisMaskShelf:
    """Masks that all gateways share, packed: exact ones would take the room of embeddings. Redis expires them.

    Packing takes as long as a good part of a click, so it is done beside the event loop.
    """

    def __init__(self, redis: Redis, *, ttl: int, breaker: Breaker, offload: Offload) -> None:
        self._redis = redis
        self._ttl = ttl
        self._breaker = breaker
        self._offload = offload

    async def put(self, masks: Mapping[MaskAddress, npt.NDArray[np.float16]]) -> None:
        """See MaskShelf; one turn beside the event loop and one of Redis, however many they are."""
        with self._breaker.asking(CacheUnavailable):
            packed = await self._offload(lambda: {mask_name(address): pack(it) for address, it in masks.items()})
            pipeline = self._redis.pipeline(transaction=False)
            for name, data in packed.items():
                pipeline.set(name, data, ex=self._ttl)
            await pipeline.execute()

    async def get(self, address: MaskAddress) -> npt.NDArray[np.float16] | None:
        """See MaskShelf."""
        with self._breaker.asking(CacheUnavailable):
            packed = cast("bytes | None", await self._redis.getex(mask_name(address), ex=self._ttl))
        return None if packed is None else await self._offload(lambda: unpack(packed))
