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


def share_of(whole: Settings) -> Settings:
    """Divide what a gateway has once by the number of its workers; each gets one at least, so it is rounded up."""
    return whole.model_copy(update={name: -(-getattr(whole, name) // whole.workers) for name in SHARED})
