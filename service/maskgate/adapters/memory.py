"""The memory of this process: the first tier of embeddings, images and masks, bounded by bytes."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Generic, TypeVar

from maskgate.domain.embedding import HeldEmbedding

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    import numpy as np
    import numpy.typing as npt

    from maskgate.domain.embedding import Embedding, EmbeddingKey
    from maskgate.domain.image import ImageId
    from maskgate.domain.mask_handle import MaskAddress

_K = TypeVar("_K", bound="Hashable")
_V = TypeVar("_V")


@dataclass(slots=True)
class _Entry(Generic[_V]):
    """What is remembered, and until when if nobody asks for it."""

    value: _V
    until: float


class BoundedLru(Generic[_K, _V]):
    """A mapping that forgets what was used longest ago: over a number of bytes, or after a time, when something comes.

    Args:
        max_bytes: How much is remembered.
        size_of: How much one value is.
        ttl: Seconds after its last use for which an entry is remembered.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        *,
        max_bytes: int,
        size_of: Callable[[_V], int],
        ttl: float = math.inf,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._max_bytes = max_bytes
        self._size_of = size_of
        self._ttl = ttl
        self._clock = clock
        self._entries: OrderedDict[_K, _Entry[_V]] = OrderedDict()  # by last use
        self.size_bytes = 0

    def get(self, key: _K) -> _V | None:
        """Return an entry and count this as a use."""
        entry, now = self._entries.get(key), self._clock()
        if entry is None or entry.until <= now:
            return None
        entry.until = now + self._ttl
        self._entries.move_to_end(key)
        return entry.value

    def put(self, key: _K, value: _V) -> None:
        """Remember an entry; one that alone is over the bound is not remembered."""
        self.forget(key)
        if self._size_of(value) > self._max_bytes:
            return
        now = self._clock()
        self._entries[key] = _Entry(value, now + self._ttl)
        self.size_bytes += self._size_of(value)
        while self.size_bytes > self._max_bytes or self._oldest().until <= now:
            self.forget(next(iter(self._entries)))

    def drop(self, unwanted: Callable[[_K], bool]) -> None:
        """Forget some entries."""
        for key in [key for key in self._entries if unwanted(key)]:
            self.forget(key)

    def forget(self, key: _K) -> None:
        """Forget an entry, if it is there."""
        if key in self._entries:
            self.size_bytes -= self._size_of(self._entries.pop(key).value)

    def _oldest(self) -> _Entry[_V]:
        return next(iter(self._entries.values()))


class MemoryShelf:
    """L1: embeddings as bytes, which live on for as long as somebody uses them: there is nothing to release."""

    def __init__(self, *, max_bytes: int) -> None:
        self._entries: BoundedLru[EmbeddingKey, Embedding] = BoundedLru(
            max_bytes=max_bytes, size_of=lambda embedding: embedding.size_bytes
        )

    @property
    def size_bytes(self) -> int:
        """How many bytes of embeddings it keeps."""
        return self._entries.size_bytes

    def hold(self, key: EmbeddingKey) -> HeldEmbedding | None:
        """See EmbeddingShelf."""
        embedding = self._entries.get(key)
        return None if embedding is None else _held(embedding)

    def keep(self, key: EmbeddingKey, embedding: Embedding) -> HeldEmbedding:
        """See EmbeddingShelf."""
        held = self.hold(key)
        if held is None:
            self._entries.put(key, embedding)
            held = _held(embedding)
        return held

    def drop(self, image_id: ImageId) -> None:
        """See EmbeddingShelf."""
        self._entries.drop(lambda key: key.image_id == image_id)


def _held(embedding: Embedding) -> HeldEmbedding:
    return HeldEmbedding(embedding.original, embedding.tensor, release=lambda: None)


class MemoryMaskShelf:
    """Masks as they were answered, for as long as they are used; they are as near as can be."""

    def __init__(self, *, max_bytes: int, ttl: float) -> None:
        self._entries: BoundedLru[MaskAddress, npt.NDArray[np.float16]] = BoundedLru(
            max_bytes=max_bytes, size_of=lambda logits: logits.nbytes, ttl=ttl
        )

    @property
    def size_bytes(self) -> int:
        """How many bytes of logits it keeps."""
        return self._entries.size_bytes

    async def put(self, masks: Mapping[MaskAddress, npt.NDArray[np.float16]]) -> None:
        """See MaskShelf; never waits, never fails."""
        for address, logits in masks.items():
            self._entries.put(address, logits)

    async def get(self, address: MaskAddress) -> npt.NDArray[np.float16] | None:
        """See MaskShelf; never waits, never fails."""
        return self._entries.get(address)
