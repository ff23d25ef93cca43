"""Settings → L1: a slab in shared memory where there is any, the memory of this process elsewhere."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import structlog

from maskgate.adapters.memory import MemoryShelf
from maskgate.adapters.slab import ZERO_BYTES, NoSharedMemoryError, SlabShelf, is_dead, sweep
from maskgate.adapters.triton import Region

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maskgate.settings import Settings
    from maskgate.telemetry import Metrics

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Shelf:
    """L1, how many embeddings it has room for, and the region that it lies in, if Triton can be told of one."""

    embeddings: MemoryShelf | SlabShelf
    places: int
    region: Region | None


@contextmanager
def open_shelf(settings: Settings, metrics: Metrics) -> Iterator[Shelf]:
    """Open L1; on leaving, its shared memory is given back."""
    slab = _create_slab(settings, metrics) if settings.shared_memory == "auto" else None
    shelf = slab or MemoryShelf(max_bytes=settings.embedding_memory_bytes)
    metrics.cache.bytes.set_function(lambda: shelf.size_bytes)
    if slab is None:
        yield Shelf(shelf, settings.embedding_memory_bytes // settings.embedding_slot_bytes, None)
        return
    try:
        yield Shelf(slab, slab.table.limit, region_of(slab, prefix=settings.shared_memory_prefix))
    finally:
        slab.close()


def _create_slab(settings: Settings, metrics: Metrics) -> SlabShelf | None:
    clear_up(settings)
    try:
        slab = SlabShelf.create(
            settings.shared_memory_prefix,
            max_bytes=settings.embedding_memory_bytes,
            slot_bytes=settings.embedding_slot_bytes,
            evicted=metrics.slab.evictions.inc,
        )
    except NoSharedMemoryError as error:
        _log.warning("shared_memory.unavailable", error=str(error))
        return None
    table, slots = slab.table, metrics.slab.slots
    slots.labels("held").set_function(lambda: table.held)
    slots.labels("kept").set_function(lambda: table.kept)
    slots.labels("free").set_function(lambda: table.limit - table.kept - table.held)
    return slab


def clear_up(settings: Settings) -> None:
    """Delete what gateways that were killed have left in shared memory."""
    for name in sweep(settings.shared_memory_prefix):
        _log.info("shared_memory.swept", segment=name)


def region_of(slab: SlabShelf, *, prefix: str) -> Region:
    """Describe a slab to what registers it."""
    return Region(
        name=slab.segment.name,
        key=slab.segment.key,
        size=slab.segment.size,
        zeros=(slab.zeros_offset, ZERO_BYTES),
        is_current=slab.is_current,
        is_dead=partial(is_dead, prefix=prefix),
    )
