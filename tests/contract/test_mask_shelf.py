"""What MaskShelf promises, asked of every adapter, and of the fake that stands in for them elsewhere."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from maskgate.adapters.behind import WriteBehindShelf
from maskgate.adapters.memory import MemoryMaskShelf
from maskgate.adapters.near import NearMaskShelf
from maskgate.adapters.redis import Breaker, RedisMaskShelf
from maskgate.domain.embedding import EmbeddingKey
from maskgate.domain.errors import CacheUnavailable
from maskgate.domain.image import ImageId
from maskgate.domain.mask_handle import MaskAddress, MaskHandle
from tests.fakes import SPEC, FailingMasks, FakeMasks, inline

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
    from redis.asyncio import Redis

    from maskgate.ports import MaskShelf


KEY = EmbeddingKey.of(ImageId.of(b"photo"), SPEC)
ADDRESS = MaskAddress(MaskHandle.new(), KEY, "")
LOGITS = np.linspace(-20, 20, 64 * 64, dtype=np.float16).reshape(64, 64)
OTHER = -LOGITS
TTL = 100
STEP = 20 / 63


def in_memory(max_bytes: int = 2**20) -> MemoryMaskShelf:
    return MemoryMaskShelf(max_bytes=max_bytes, ttl=TTL)


class Settled:
    """A shelf that waits until what it puts behind the answer is there."""

    def __init__(self, behind: WriteBehindShelf, shelf: MaskShelf) -> None:
        self._behind = behind
        self._shelf = shelf

    async def put(self, masks: Mapping[MaskAddress, npt.NDArray[np.float16]]) -> None:
        await self._shelf.put(masks)
        await self._behind.drain()

    async def get(self, address: MaskAddress) -> npt.NDArray[np.float16] | None:
        return await self._shelf.get(address)


@pytest.fixture(params=["fake", "memory", "redis", "behind", "near"])
def shelf(request: pytest.FixtureRequest) -> MaskShelf:
    if request.param == "redis":
        return RedisMaskShelf(request.getfixturevalue("redis"), ttl=TTL, breaker=Breaker(), offload=inline)
    behind = WriteBehindShelf(in_memory(), places=4, pause=0, dropped=pytest.fail)
    return {
        "fake": FakeMasks(),
        "memory": in_memory(),
        "behind": Settled(behind, behind),
        "near": Settled(behind, NearMaskShelf(in_memory(), behind)),
    }[request.param]


class TestEveryMaskShelf:
    """Holds every adapter to the same behaviour."""

    async def test_nothing_is_there_before_it_is_put(self, shelf: MaskShelf) -> None:
        """A mask that nobody put is None."""
        assert await shelf.get(ADDRESS) is None

    async def test_what_was_put_is_got(self, shelf: MaskShelf) -> None:
        """Logits come back in their shape and as near as packing comes, again and again."""
        await shelf.put({ADDRESS: LOGITS})

        for got in (await shelf.get(ADDRESS), await shelf.get(ADDRESS)):
            assert got is not None
            assert (LOGITS.shape, LOGITS.dtype) == (got.shape, got.dtype)
            np.testing.assert_allclose(got, LOGITS, atol=0.51 * STEP)

    async def test_masks_do_not_meet(self, shelf: MaskShelf) -> None:
        """Each handle is its own mask."""
        other = replace(ADDRESS, handle=MaskHandle.new())
        await shelf.put({ADDRESS: LOGITS})
        await shelf.put({other: OTHER})

        got = [await shelf.get(address) for address in (ADDRESS, other)]

        for expected, actual in zip((LOGITS, OTHER), got, strict=True):
            assert actual is not None
            np.testing.assert_allclose(actual, expected, atol=0.51 * STEP)

    @pytest.mark.parametrize(
        "field", ["image_id", "model", "weights_digest", "precision", "preprocessing"], ids=lambda name: name
    )
    async def test_a_handle_is_good_for_its_embedding_alone(self, shelf: MaskShelf, field: str) -> None:
        """Under the same handle there is nothing for another image, model or engine."""
        await shelf.put({ADDRESS: LOGITS})

        foreign = replace(KEY, **{field: ImageId.of(b"other") if field == "image_id" else "other"})

        assert await shelf.get(replace(ADDRESS, key=foreign)) is None


async def test_memory_keeps_masks_as_they_are() -> None:
    """On the gateway that answered, not a bit is lost."""
    shelf = in_memory()
    await shelf.put({ADDRESS: LOGITS})

    assert LOGITS is await shelf.get(ADDRESS)


async def test_memory_is_bounded() -> None:
    """The mask goes that was used longest ago."""
    shelf = in_memory(2 * LOGITS.nbytes)
    addresses = [replace(ADDRESS, handle=MaskHandle.new()) for _ in range(3)]
    for address in addresses[:2]:
        await shelf.put({address: LOGITS})
    await shelf.get(addresses[0])
    await shelf.put({addresses[2]: LOGITS})

    assert [True, False, True] == [await shelf.get(address) is not None for address in addresses]
    assert 2 * LOGITS.nbytes == shelf.size_bytes


async def test_redis_forgets_after_a_while(redis: Redis) -> None:
    """A mask lives as long as somebody asks for it within its time, and takes a fraction of its bytes."""
    shelf = RedisMaskShelf(redis, ttl=TTL, breaker=Breaker(), offload=inline)
    await shelf.put({ADDRESS: LOGITS})
    (name,) = await redis.keys("*")
    fresh = await redis.ttl(name)
    await redis.expire(name, 5)

    await shelf.get(ADDRESS)

    assert TTL - 2 <= fresh <= TTL
    assert TTL - 2 <= await redis.ttl(name) <= TTL
    assert await redis.strlen(name) < LOGITS.nbytes / 2


@pytest.mark.parametrize("damaged", [b"", b"MGM1", b"garbage" * 100])
async def test_damaged_entries_are_none(redis: Redis, damaged: bytes) -> None:
    """What is no whole mask is none."""
    shelf = RedisMaskShelf(redis, ttl=TTL, breaker=Breaker(), offload=inline)
    await shelf.put({ADDRESS: LOGITS})
    (name,) = await redis.keys("*")
    await redis.set(name, damaged)

    assert await shelf.get(ADDRESS) is None


async def test_without_redis_it_is_soon_unavailable(broken_redis: Redis) -> None:
    """A Redis that is not there or does not answer costs no more than the timeouts."""
    shelf = RedisMaskShelf(broken_redis, ttl=TTL, breaker=Breaker(), offload=inline)

    async with asyncio.timeout(8):
        with pytest.raises(CacheUnavailable):
            await shelf.put({ADDRESS: LOGITS})
        with pytest.raises(CacheUnavailable):
            await shelf.get(ADDRESS)


async def test_gateways_share_what_is_near_to_neither() -> None:
    """A mask that another gateway answered is got from the shared shelf once, and is near from then on."""
    shared, near = FakeMasks(), in_memory()
    await NearMaskShelf(in_memory(), shared).put({ADDRESS: LOGITS})
    other = NearMaskShelf(near, shared)

    first = await other.get(ADDRESS)
    shared.entries.clear()

    assert LOGITS is first
    assert LOGITS is await other.get(ADDRESS)


async def test_what_there_is_no_room_for_is_dropped() -> None:
    """However slow the shelf behind is, no more than its places wait, and the others are counted; nobody waits."""
    slow, dropped = SlowMasks(), []
    shelf = WriteBehindShelf(slow, places=2, pause=0, dropped=lambda: dropped.append(1))
    addresses = [replace(ADDRESS, handle=MaskHandle.new()) for _ in range(5)]

    for address in addresses:
        await shelf.put({address: LOGITS})
    slow.gate.set()
    await shelf.drain()

    assert addresses[:2] == [*slow.entries]
    assert [1] * 3 == dropped


async def test_writing_behind_goes_on() -> None:
    """After all was put, or where putting has failed, the next mask is put again."""
    slow = SlowMasks()
    slow.gate.set()
    shelf = WriteBehindShelf(slow, places=2, pause=0, dropped=pytest.fail)
    addresses = [replace(ADDRESS, handle=MaskHandle.new()) for _ in range(3)]
    for address in addresses:
        await shelf.put({address: LOGITS})
        await shelf.drain()
    failing = WriteBehindShelf(FailingMasks(), places=2, pause=0, dropped=pytest.fail)
    for _ in range(3):
        await failing.put({ADDRESS: LOGITS})
        with pytest.raises(CacheUnavailable):
            await failing.drain()

    assert addresses == [*slow.entries]


async def test_what_waits_is_put_together() -> None:
    """Masks that were answered in the meantime go to the shelf behind in one turn, in their order."""
    slow = SlowMasks()
    slow.gate.set()
    shelf = WriteBehindShelf(slow, places=3, pause=0, dropped=pytest.fail)
    addresses = [replace(ADDRESS, handle=MaskHandle.new()) for _ in range(3)]

    for address in addresses:
        await shelf.put({address: LOGITS})
    await shelf.drain()

    assert [addresses] == slow.turns


class SlowMasks(FakeMasks):
    """A shelf that puts nothing before its gate opens.

    Attributes:
        turns: The addresses that were put together.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.turns: list[list[MaskAddress]] = []

    async def put(self, masks: Mapping[MaskAddress, npt.NDArray[np.float16]]) -> None:
        await self.gate.wait()
        self.turns.append([*masks])
        await super().put(masks)
