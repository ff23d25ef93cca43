"""What writes masks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class MaskEncoder(Protocol):
    """Writes masks as image files."""

    def png(self, pixels: npt.NDArray[np.bool_]) -> bytes:
        """Return a PNG of one channel, 255 where the mask [H, W] is set and 0 elsewhere."""
        ...
