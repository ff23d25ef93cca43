from __future__ import annotations

import asyncio

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from maskgate.adapters.instrumented import (
    InstrumentedBackend,
    InstrumentedCache,
    InstrumentedLocks,
    InstrumentedMasks,
    InstrumentedShelf,
)
from maskgate.domain.embedding import Embedding, EmbeddingKey
from maskgate.domain.errors import InferenceFailed
from maskgate.domain.frame import Frame
from maskgate.domain.image import ImageId
from maskgate.domain.mask_handle import MaskAddress, MaskHandle
from maskgate.domain.prompt import MaskSelection, Point, Prompt, PromptSlots
from maskgate.telemetry import CacheMetrics, FlightMetrics, InferenceMetrics, MaskMetrics
from tests.fakes import (
    CALL,
    SIZE,
    SPEC,
    FailingCache,
    FailingLocks,
    FailingMasks,
    FakeBackend,
    FakeCache,
    FakeDecoder,
    FakeLocks,
    FakeMasks,
    FakeShelf,
    held,
)

KEY = EmbeddingKey.of(ImageId.of(b"photo"), SPEC)
EMBEDDING = Embedding(SIZE, b"tensor")
MASK = MaskAddress(MaskHandle.new(), KEY, "")
LOGITS = np.zeros((2, 2), np.float16)
SLOTS = PromptSlots.fill(Prompt((Point(1, 1),)), frame=Frame(SIZE, 64), slots=8)


class Counted:
    """Reads samples off a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

    def __call__(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"maskgate_{name}", labels)


async def test_lookups_are_counted() -> None:
    """Hits and misses are told apart, by tier."""
    counted = Counted()
    cache = InstrumentedCache(FakeCache(), tier="l2", metrics=CacheMetrics(counted.registry))

    found = [await cache.get(KEY)]
    await cache.put(KEY, EMBEDDING)
    found += [await cache.get(KEY), await cache.get(KEY)]

    lookups = {
        result: counted("embedding_cache_lookups_total", tier="l2", result=result)
        for result in ("miss", "hit", "error")
    }
    assert [None, EMBEDDING, EMBEDDING] == found
    assert {"miss": 1, "hit": 2, "error": 0} == lookups


async def test_lookups_at_hand_are_counted() -> None:
    """A shelf's hits and misses are told apart; holding what one has just kept is neither."""
    counted = Counted()
    shelf = InstrumentedShelf(FakeShelf(), tier="l1", metrics=CacheMetrics(counted.registry))

    missed = shelf.hold(KEY)
    kept, found = shelf.keep(KEY, EMBEDDING), shelf.hold(KEY)

    lookups = {
        result: counted("embedding_cache_lookups_total", tier="l1", result=result)
        for result in ("miss", "hit", "error")
    }
    assert missed is None
    assert found is not None
    assert EMBEDDING.tensor == kept.tensor == found.tensor
    assert {"miss": 1, "hit": 1, "error": 0} == lookups


async def test_a_broken_cache_is_a_miss() -> None:
    """A cache that cannot be asked fails no request: it is counted, and nothing is remembered."""
    counted = Counted()
    cache = InstrumentedCache(FailingCache(), tier="l2", metrics=CacheMetrics(counted.registry))

    await cache.put(KEY, EMBEDDING)
    found = await cache.get(KEY)

    assert found is None
    assert counted("embedding_cache_lookups_total", tier="l2", result="error") == 1
    assert counted("embedding_cache_write_errors_total", tier="l2") == 1


async def test_calls_to_the_backend_are_timed() -> None:
    """Encodes and decodes are timed by model and stage; asking for a spec is not a call."""
    counted = Counted()
    backend = InstrumentedBackend(FakeBackend(), models=(SPEC.name,), metrics=InferenceMetrics(counted.registry))

    spec = await backend.spec("tiny")
    embedding = await backend.encode(spec, await FakeDecoder().prepare(b"", side=64))
    for _ in range(2):
        await backend.decode(spec, held(embedding), SLOTS, MaskSelection.BEST, call=CALL)
    rows = await backend.decode_many(spec, held(embedding), [SLOTS] * 3, MaskSelection.BEST, call=CALL)

    assert len(rows) == 3
    assert counted("inference_duration_seconds_count", model="tiny", stage="decode_many") == 1
    assert counted("batch_prompts_sum") == 3
    assert counted("inference_duration_seconds_count", model="tiny", stage="encode") == 1
    assert counted("inference_duration_seconds_count", model="tiny", stage="decode") == 2
    assert counted("inference_in_flight", stage="decode") == 0


async def test_failures_of_the_backend_are_counted_and_go_on() -> None:
    """A failure is counted by its reason instead of being timed, and still is a failure."""
    counted, inner = Counted(), FakeBackend()
    inner.decode_error = InferenceFailed("no")
    backend = InstrumentedBackend(inner, models=(SPEC.name,), metrics=InferenceMetrics(counted.registry))

    with pytest.raises(InferenceFailed):
        await backend.decode(SPEC, held(b""), SLOTS, MaskSelection.BEST, call=CALL)

    assert counted("inference_errors_total", model="tiny", stage="decode", reason="INFERENCE_FAILED") == 1
    assert counted("inference_duration_seconds_count", model="tiny", stage="decode") == 0
    assert counted("inference_in_flight", stage="decode") == 0


async def test_waits_for_others_are_counted() -> None:
    """A turn that was free is no wait; what others made, and what is taken over from them, is told apart."""
    counted, cache = Counted(), FakeCache()
    locks = InstrumentedLocks(FakeLocks(cache), metrics=FlightMetrics(counted.registry))
    first = await locks.take(KEY)
    waiting = asyncio.create_task(locks.take(KEY))
    await asyncio.sleep(0)
    assert first is not None
    await first.release()
    second = await waiting
    await cache.put(KEY, EMBEDDING)
    third = await locks.take(KEY)

    assert second is not None
    assert third is None
    assert {"shared": 1, "took_over": 1, "gave_up": 0} == _waits(counted)
    assert 2 == counted("single_flight_wait_seconds_count")


async def test_without_locks_it_is_everybodys_turn() -> None:
    """Locks that cannot be asked keep nobody from encoding."""
    counted = Counted()
    locks = InstrumentedLocks(FailingLocks(), metrics=FlightMetrics(counted.registry))

    turns = [await locks.take(KEY), await locks.take(KEY)]
    for turn in turns:
        assert turn is not None
        await turn.release()

    assert {"shared": 0, "took_over": 0, "gave_up": 2} == _waits(counted)


def _waits(counted: Counted) -> dict[str, float | None]:
    return {
        result: counted("single_flight_waits_total", result=result) for result in ("shared", "took_over", "gave_up")
    }


async def test_lookups_of_masks_are_counted() -> None:
    """Hits and misses are told apart, by tier."""
    counted = Counted()
    shelf = InstrumentedMasks(FakeMasks(), tier="l1", metrics=MaskMetrics(counted.registry))

    missed = await shelf.get(MASK)
    await shelf.put({MASK: LOGITS})
    found = await shelf.get(MASK)

    assert missed is None
    assert LOGITS is found
    assert {"miss": 1, "hit": 1, "error": 0} == _mask_lookups(counted, "l1")
    assert 0 == counted("mask_handles_unshared_total")


async def test_masks_that_cannot_be_asked_for() -> None:
    """A shelf that is away fails no request: a mask is then not there, and one that it cannot take is not shared."""
    counted = Counted()
    shelf = InstrumentedMasks(FailingMasks(), tier="l2", metrics=MaskMetrics(counted.registry))

    await shelf.put({MASK: LOGITS})
    found = await shelf.get(MASK)

    assert found is None
    assert {"miss": 0, "hit": 0, "error": 1} == _mask_lookups(counted, "l2")
    assert 1 == counted("mask_handles_unshared_total")


def _mask_lookups(counted: Counted, tier: str) -> dict[str, float | None]:
    return {
        result: counted("mask_handle_lookups_total", tier=tier, result=result) for result in ("miss", "hit", "error")
    }
