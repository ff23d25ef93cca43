"""What reads and writes masks, and where those that were answered are found again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

    from maskgate.domain.image import ImageSize
    from maskgate.domain.mask_handle import MaskAddress


class MaskEncoder(Protocol):
    """Writes masks as image files."""

    def png(self, pixels: npt.NDArray[np.bool_]) -> bytes:
        """Return a PNG of one channel, 255 where the mask [H, W] is set and 0 elsewhere."""
        ...


class MaskReader(Protocol):
    """Reads masks that clients send as image files."""

    def pixels(self, png: bytes, *, size: ImageSize) -> npt.NDArray[np.bool_]:
        """Read a PNG of one channel and of that size, 128 and more is the mask: bool [H, W].

        Raises InvalidPrompt where it is another kind of file, of another size (before a pixel is decoded), or damaged.
        """
        ...


class MaskShelf(Protocol):
    """Keeps logits of masks that were answered, for a while after their last use. May forget any of them."""

    async def put(self, masks: Mapping[MaskAddress, npt.NDArray[np.float16]]) -> None:
        """Keep logits fp16 [M, M], which nobody changes afterwards; all together. An address is put once.

        Raises CacheUnavailable.
        """
        ...

    async def get(self, address: MaskAddress) -> npt.NDArray[np.float16] | None:
        """Return what was put, or None; exact, or as near as domain/packed_logits.py comes.

        Damaged entries are None as well. Raises CacheUnavailable where nobody can tell.
        """
        ...
