"""Whose turn it is to encode an image, of all gateways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from maskgate.domain.embedding import EmbeddingKey


class Lease(Protocol):
    """Somebody's turn to make an embedding: until it is released, or for a while after its owner has died."""

    @property
    def taken_over(self) -> bool:
        """Whether it was waited for: somebody else had the turn, and ended it without an embedding."""
        ...

    async def release(self) -> None:
        """End the turn, whatever came of it: at once after an error, after the embedding was put otherwise.

        Never raises: a turn that cannot be ended ends by itself. Ends nobody else's, where this one was lost.
        """
        ...


class EncodeLocks(Protocol):
    """Lets one gateway at a time make an embedding. Saves work and promises nothing more.

    An embedding depends on its key alone, so two that are made at once, where a turn was lost, are the same.
    """

    async def take(self, key: EmbeddingKey) -> Lease | None:
        """Wait until nobody else is making an embedding; None where the shared cache has it by then.

        Raises CacheUnavailable where nobody can be asked, and where others have kept their turns for too long.
        """
        ...
