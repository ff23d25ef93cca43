from __future__ import annotations

import re

from maskgate.bootstrap.shares import SHARED, share_of
from maskgate.settings import Settings

OF_A_GATEWAY = re.compile(
    r"_(concurrency|waiting|connections)$|^(embedding|image|mask)_memory_bytes$|^threads$|^max_(concurrent_calls|streams)$"
)


def test_bounds_of_a_gateway_are_divided() -> None:
    """A worker gets its part, rounded up, and one at least."""
    share = share_of(Settings(workers=3, decode_concurrency=64, encode_concurrency=6, threads=1))

    assert (22, 2, 1) == (share.decode_concurrency, share.encode_concurrency, share.threads)


def test_a_share_holds_one_thing() -> None:
    """However many workers there are, each can keep the largest upload and an embedding, where the gateway could."""
    crowd = Settings(workers=64, max_upload_bytes=30_000_000, embedding_memory_bytes=70_000_000)
    share = share_of(crowd)
    small = share_of(crowd.model_copy(update={"image_memory_bytes": 1000}))

    assert (30_000_000, crowd.embedding_slot_bytes) == (share.image_memory_bytes, share.embedding_memory_bytes)
    assert 1000 == small.image_memory_bytes


def test_all_else_is_the_gateways() -> None:
    """A worker that is alone is the gateway; of several, only the shares differ."""
    alone, settings = Settings(), Settings(workers=4)
    changed = {name for name, value in share_of(settings).model_dump().items() if value != getattr(settings, name)}

    assert alone == share_of(alone)
    assert set(SHARED) == changed


def test_no_bound_of_a_gateway_is_forgotten() -> None:
    """Whatever is named like one is divided."""
    assert sorted(SHARED) == sorted(name for name in Settings.model_fields if OF_A_GATEWAY.search(name))
