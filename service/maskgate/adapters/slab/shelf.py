"""L1 as a slab: fixed slots in one segment of shared memory."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from maskgate.adapters.slab.segment import FOLDER, NoSharedMemoryError, Segment, free_bytes
from maskgate.adapters.slab.table import SlotTable
from maskgate.domain.embedding import HeldEmbedding, Place

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Self

    from maskgate.adapters.slab.table import Slot
    from maskgate.domain.embedding import Embedding, EmbeddingKey
    from maskgate.domain.image import ImageId, ImageSize

_log = structlog.get_logger(__name__)

ZERO_BYTES = 8 << 20
"""At the segment's end, for tensors that are all zeros: 64 prompts without masks have 128 KiB of them each for SAM."""
_SHARE_OF_FREE = 2
"""The slab leaves half of what it finds free, also where others grow beside it: Triton's Python backends live there."""
_PAGE = 4096


@dataclass(frozen=True, slots=True)
class _Content:
    original: ImageSize
    length: int


class SlabShelf:
    """Embeddings in slots of one segment. An embedding that is held keeps its slot; the others make room for new ones.

    Everything runs on the event loop, so there are no locks. Copying 2 MiB into a slot takes 0.1 ms, into one that was
    never used 1.3 ms; holding and releasing one takes 3 us (measured).

    Args:
        segment: What it lies in; the shelf closes it.
        slots: How many.
        slot_bytes: Size of each, a multiple of the page's.
        evicted: Called whenever an embedding has made room for another.

    Attributes:
        segment: As given.
    """

    def __init__(self, segment: Segment, *, slots: int, slot_bytes: int, evicted: Callable[[], object]) -> None:
        self.segment = segment
        self._slot_bytes = slot_bytes
        self._contents: dict[int, _Content] = {}
        self._told: set[str] = set()
        self._table: SlotTable[EmbeddingKey] = SlotTable(slots, open_slot=self._open_slot, evicted=evicted)

    @classmethod
    def create(
        cls,
        prefix: str,
        *,
        max_bytes: int,
        slot_bytes: int,
        evicted: Callable[[], object] = lambda: None,
        folder: Path = FOLDER,
    ) -> Self:
        """Make a slab of at most `max_bytes`; memory is taken slot by slot, when there is something to keep.

        Raises:
            NoSharedMemoryError: There is not even room for one slot.
        """
        slot_bytes = -(-slot_bytes // _PAGE) * _PAGE
        room = free_bytes(folder) // _SHARE_OF_FREE
        slots = min(max_bytes, room - ZERO_BYTES) // slot_bytes
        if slots <= 0:
            raise NoSharedMemoryError(f"{folder} has no room for one embedding of {slot_bytes} bytes")
        if room - ZERO_BYTES < max_bytes:
            _log.warning("slab.smaller_than_asked_for", bytes=slots * slot_bytes, asked_for=max_bytes)
        segment = Segment.create(prefix, slots * slot_bytes + ZERO_BYTES, keep_free=room, folder=folder)
        if not segment.reserve(slots * slot_bytes, ZERO_BYTES):
            segment.close()
            raise NoSharedMemoryError(f"{folder} is full")
        return cls(segment, slots=slots, slot_bytes=slot_bytes, evicted=evicted)

    @property
    def size_bytes(self) -> int:
        """How many bytes of slots hold an embedding."""
        return self._table.used * self._slot_bytes

    @property
    def zeros_offset(self) -> int:
        """Where the segment's `ZERO_BYTES` zeros begin."""
        return self.segment.size - ZERO_BYTES

    @property
    def table(self) -> SlotTable[EmbeddingKey]:
        """Who has which slot, for the metrics."""
        return self._table

    def close(self) -> None:
        """Delete the segment."""
        self.segment.close()

    def hold(self, key: EmbeddingKey) -> HeldEmbedding | None:
        """See EmbeddingShelf."""
        slot = self._table.use(key)
        return None if slot is None else self._held(slot)

    def keep(self, key: EmbeddingKey, embedding: Embedding) -> HeldEmbedding:
        """See EmbeddingShelf. What is larger than a slot is not kept, and nothing is while all slots are held."""
        slot = self._table.find(key) or self._filled(key, embedding)
        if slot is None:
            return HeldEmbedding(embedding.original, embedding.tensor, release=lambda: None)
        return self._held(slot)

    def drop(self, image_id: ImageId) -> None:
        """See EmbeddingShelf."""
        self._table.drop(lambda key: key.image_id == image_id)

    def is_current(self, place: Place) -> bool:
        """Say whether a place still holds the embedding that it was given for."""
        return place.region == self.segment.name and self._table.is_current(
            place.offset // self._slot_bytes, place.generation
        )

    def _filled(self, key: EmbeddingKey, embedding: Embedding) -> Slot | None:
        length = len(embedding.tensor)
        if length > self._slot_bytes:
            self._tell_once("slab.slot_too_small", model=key.model, bytes=length, slot_bytes=self._slot_bytes)
            return None
        slot = self._table.give(key)
        if slot is not None:
            offset = slot.index * self._slot_bytes
            self.segment.view[offset : offset + length] = embedding.tensor
            self._contents[slot.index] = _Content(embedding.original, length)
        return slot

    def _held(self, slot: Slot) -> HeldEmbedding:
        content, offset = self._contents[slot.index], slot.index * self._slot_bytes
        tensor = self.segment.view[offset : offset + content.length].toreadonly()
        slot.pins += 1
        place = Place(self.segment.name, offset, slot.generation)
        return HeldEmbedding(content.original, tensor, release=_Release(slot, tensor), place=place)

    def _open_slot(self, index: int) -> bool:
        opened = self.segment.reserve(index * self._slot_bytes, self._slot_bytes)
        if not opened:
            self._tell_once("slab.no_room_to_grow", slots=index)
        return opened

    def _tell_once(self, event: str, **facts: object) -> None:
        """Log what would be the same for every embedding."""
        if event not in self._told:
            self._told.add(event)
            _log.warning(event, **facts)


class _Release:
    """Ends one use of a slot. A second call changes nothing: it would take the pin of another holder."""

    __slots__ = ("_slot", "_tensor")

    def __init__(self, slot: Slot, tensor: memoryview) -> None:
        self._slot: Slot | None = slot
        self._tensor = tensor

    def __call__(self) -> None:
        if self._slot is not None:
            self._slot.pins -= 1
            self._slot = None
            with contextlib.suppress(BufferError):  # an array over it is alive, and its owner's to answer for
                self._tensor.release()  # whoever reads it after this gets a ValueError, not another image's embedding
