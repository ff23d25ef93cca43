from __future__ import annotations

import asyncio

from prometheus_client import CollectorRegistry

from maskgate.adapters.instrumented import InstrumentedCache, InstrumentedShelf
from maskgate.domain.embedding import Embedding, EmbeddingKey
from maskgate.domain.image import ImageId
from maskgate.telemetry import CacheMetrics
from maskgate.telemetry.facts import collected, note_cache
from tests.fakes import SIZE, SPEC, FakeCache, FakeShelf

KEY = EmbeddingKey.of(ImageId.of(b"photo"), SPEC)


async def test_where_an_embedding_was_found_is_noted() -> None:
    """In the gateway, in Redis, or nowhere; tasks that a call starts are heard, too."""
    metrics = CacheMetrics(CollectorRegistry())
    shelf = InstrumentedShelf(FakeShelf(), tier="l1", metrics=metrics)
    cache = InstrumentedCache(FakeCache(), tier="l2", metrics=metrics)
    found = []

    with collected() as facts:
        shelf.hold(KEY)
        await asyncio.create_task(cache.get(KEY))
    found.append(facts["cache"])
    await cache.put(KEY, Embedding(SIZE, b"tensor"))
    with collected() as facts:
        shelf.hold(KEY)
        await cache.get(KEY)
    found.append(facts["cache"])
    shelf.keep(KEY, Embedding(SIZE, b"tensor")).release()
    with collected() as facts:
        shelf.hold(KEY)
    found.append(facts["cache"])

    assert ["miss", "l2", "l1"] == found


def test_the_farthest_tier_counts() -> None:
    """A batch with one image that had to be encoded was no hit."""
    with collected() as facts:
        for tier in ("l1", "miss", "l2"):
            note_cache(tier)

    assert facts == {"cache": "miss"}


def test_outside_of_calls_nothing_is_noted() -> None:
    """What the gateway does by itself belongs to no call."""
    note_cache("l1")
    with collected() as facts:
        pass

    assert not facts
