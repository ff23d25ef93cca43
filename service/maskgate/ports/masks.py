"""What reads and writes masks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from maskgate.domain.image import ImageSize


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
