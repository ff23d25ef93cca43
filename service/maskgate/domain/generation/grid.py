"""Points that are spread evenly over an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt


def point_grid(per_side: int) -> npt.NDArray[np.float64]:
    """Return points float64 [per_side ** 2, 2] as fractions of width and height, row by row.

    segment_anything/utils/amg.py, `build_point_grid`, to the last bit.
    """
    offset = 1 / (2 * per_side)
    along = np.linspace(offset, 1 - offset, per_side)
    x, y = np.meshgrid(along, along)
    return np.stack((x, y), axis=-1).reshape(-1, 2)
