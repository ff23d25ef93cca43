"""A worker's share of what the settings allow a gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from maskgate.settings import Settings

SHARED: Final = (
    "embedding_memory_bytes",
    "image_memory_bytes",
    "mask_memory_bytes",
    "redis_connections",
    "encode_concurrency",
    "encode_waiting",
    "encode_images_concurrency",
    "upload_concurrency",
    "upload_waiting",
    "decode_concurrency",
    "decode_waiting",
    "bulk_concurrency",
    "bulk_waiting",
    "generation_concurrency",
    "generation_waiting",
    "render_waiting",
    "max_concurrent_calls",
    "max_streams",
    "threads",
)
"""What a gateway has once, and its workers divide. Bounds of one call (the images of a batch) are none of these."""


_ONE_OF: Final = {"image_memory_bytes": "max_upload_bytes", "embedding_memory_bytes": "embedding_slot_bytes"}
"""What is kept in each memory that one thing can be too large for."""


def share_of(whole: Settings) -> Settings:
    """Divide what a gateway has once by the number of its workers; each gets one at least, so it is rounded up.

    For memory that is room for one thing: a worker that can keep no large upload would refuse it while Redis is away.
    """
    return whole.model_copy(update={name: _share(whole, name) for name in SHARED})


def _share(whole: Settings, name: str) -> int:
    amount: int = getattr(whole, name)
    least: int = getattr(whole, _ONE_OF[name]) if name in _ONE_OF else 1
    return min(amount, max(least, -(-amount // whole.workers)))
