"""The way between an image and the square frame that a model sees.

The rules are those of the reference (segment_anything/utils/transforms.py, ResizeLongestSide): the longest side becomes
S, the other keeps the aspect ratio and is rounded half up, the rest of the square is padding on the right and bottom.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from maskgate.domain.image import ImageSize

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Frame:
    """Where an image lies in a model's square input.

    Attributes:
        original: Size of the oriented image.
        side: S, the side of the square.
    """

    original: ImageSize
    side: int

    @property
    def valid(self) -> ImageSize:
        """Size of the image inside the square.

        Neither side is ever 0. The reference leaves nothing of a line that is more than 2 S times as long as it is
        wide, and fails; here one pixel of its width remains.
        """
        longest = max(self.original.width, self.original.height)
        return ImageSize(
            width=_scaled(self.original.width, self.side, longest),
            height=_scaled(self.original.height, self.side, longest),
        )

    def valid_in(self, mask_size: int) -> tuple[float, float]:
        """Return how many columns and rows of logits [M, M] the image covers, from the left and from the top."""
        scale = mask_size / self.side
        return self.valid.width * scale, self.valid.height * scale

    def to_square(self, points: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Map points [..., 2] (x, y), in pixels of the image, into the square."""
        valid = self.valid
        scale = (valid.width / self.original.width, valid.height / self.original.height)
        return (np.asarray(points, dtype=np.float64) * scale).astype(np.float32)


def _scaled(length: int, side: int, longest: int) -> int:
    return max(1, int(length * (side / longest) + 0.5))
