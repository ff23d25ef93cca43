"""The memory of this process: the first tier of embeddings and of images, bounded by bytes."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

from maskgate.domain.embedding import HeldEmbedding

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from maskgate.domain.embedding import Embedding, EmbeddingKey

_V = TypeVar("_V")


class BoundedLru(Generic[_V]):
    """A mapping that forgets what was used longest ago when it grows over a number of bytes."""

    def __init__(self, *, max_bytes: int, size_of: Callable[[_V], int]) -> None:
        self._max_bytes = max_bytes
        self._size_of = size_of
        self._entries: OrderedDict[Hashable, _V] = OrderedDict()
        self.size_bytes = 0

    def get(self, key: Hashable) -> _V | None:
        """Return an entry and count this as a use."""
        if key not in self._entries:
            return None
        self._entries.move_to_end(key)
        return self._entries[key]

    def put(self, key: Hashable, value: _V) -> None:
        """Remember an entry; one that alone is over the bound is not remembered."""
        self._forget(key)
        if self._size_of(value) > self._max_bytes:
            return
        self._entries[key] = value
        self.size_bytes += self._size_of(value)
        while self.size_bytes > self._max_bytes:
            self._forget(next(iter(self._entries)))

    def _forget(self, key: Hashable) -> None:
        if key in self._entries:
            self.size_bytes -= self._size_of(self._entries.pop(key))


class MemoryShelf:
    """L1: embeddings as bytes, which live on for as long as somebody uses them: there is nothing to release."""

    def __init__(self, *, max_bytes: int) -> None:
        self._entries: BoundedLru[Embedding] = BoundedLru(
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


def _held(embedding: Embedding) -> HeldEmbedding:
    return HeldEmbedding(embedding.original, embedding.tensor, release=lambda: None)
