"""Where embeddings are found again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from maskgate.domain.embedding import Embedding, EmbeddingKey, HeldEmbedding
    from maskgate.domain.image import ImageId


class EmbeddingShelf(Protocol):
    """L1: embeddings at hand, in this process, ready to be decoded from.

    What is held stays as it is until it is released, even where it has been forgotten meanwhile; so whoever holds one
    releases it. May forget any of them at any time.
    """

    def hold(self, key: EmbeddingKey) -> HeldEmbedding | None:
        """Hold an embedding that is kept, or return None. Never blocks."""
        ...

    def keep(self, key: EmbeddingKey, embedding: Embedding) -> HeldEmbedding:
        """Keep an embedding where there is room for it, and hold it in any case.

        One that is kept under the key already is held as it is: the key says all that its values depend on.
        """
        ...

    def drop(self, image_id: ImageId) -> None:
        """Forget an image's embeddings, whatever model made them."""
        ...


class EmbeddingCache(Protocol):
    """L2: remembers embeddings for a while, for all gateways. May forget any of them at any time."""

    async def get(self, key: EmbeddingKey) -> Embedding | None:
        """Return what was put, or None.

        Damaged entries are None as well, and those of an image that was deleted (ImageStore.delete). Raises
        CacheUnavailable where the cache cannot be asked.
        """
        ...

    async def put(self, key: EmbeddingKey, embedding: Embedding) -> None:
        """Remember an embedding, in place of one of the same key, unless its image was deleted.

        Raises CacheUnavailable.
        """
        ...

    async def delete(self, image_id: ImageId) -> None:
        """Forget an image's embeddings, whatever model made them. Raises CacheUnavailable."""
        ...
