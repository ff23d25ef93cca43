"""Settings → where masks are kept: in this process, and behind the answer on a shelf that all gateways share."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from maskgate.adapters.behind import WriteBehindShelf
from maskgate.adapters.instrumented import InstrumentedMasks
from maskgate.adapters.memory import MemoryMaskShelf
from maskgate.adapters.near import NearMaskShelf

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from maskgate.ports import MaskShelf
    from maskgate.settings import Settings
    from maskgate.telemetry import MaskMetrics

_PLACES = 256
"""Masks that may wait for Redis, 32 MiB of SAM's: more than a second's work for one core."""
_PAUSE = 0.03
"""Seconds; nobody clicks again as fast."""


@asynccontextmanager
async def open_masks(settings: Settings, shared: MaskShelf, metrics: MaskMetrics) -> AsyncIterator[MaskShelf]:
    """Open the shelf; on leaving, what was answered last gets time to reach the shared one."""
    memory = MemoryMaskShelf(max_bytes=settings.mask_memory_bytes, ttl=settings.mask_ttl_seconds)
    metrics.bytes.set_function(lambda: memory.size_bytes)
    near = InstrumentedMasks(memory, tier="l1", metrics=metrics)
    if not settings.mask_share:
        yield near
        return
    counted = InstrumentedMasks(shared, tier="l2", metrics=metrics)
    behind = WriteBehindShelf(counted, places=_PLACES, pause=_PAUSE, dropped=metrics.unshared.inc)
    try:
        yield NearMaskShelf(near, behind)
    finally:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(behind.drain(), settings.drain_seconds)
