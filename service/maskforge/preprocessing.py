"""How a photo becomes the model's input and its logits a mask again.

The frame S is a square: the photo's longest side is resized to S, the rest is padding on the
right and at the bottom (`ResizeLongestSide` and `Sam.postprocess_masks` of the reference).
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import Tensor
from torch.nn import functional

from maskforge.annotations import RgbImage

PREPROCESSING_VERSION: Final = "longest-side-bilinear/1"
"""Part of an embedding's address: it changes whenever the pixels that a model sees do."""

MASK_THRESHOLD: Final = 0.0


@dataclass(frozen=True, slots=True)
class Letterbox:
    """Where a photo of heightxwidth lies in the S frame."""

    height: int
    width: int
    new_height: int
    new_width: int
    image_size: int

    @classmethod
    def fit(cls, height: int, width: int, image_size: int) -> Self:
        """Fit the longest side, rounding half up; no side vanishes.

        The reference leaves nothing of a line that is more than 2 S times as long as it is wide, and fails; here one
        pixel of its width remains.
        """
        scale = image_size / max(height, width)
        new_height, new_width = (max(1, int(side * scale + 0.5)) for side in (height, width))
        return cls(height, width, new_height, new_width, image_size)

    def resize(self, image: Image.Image) -> RgbImage:
        """Resize bilinearly (antialiased) and pad with zeros: uint8 [S,S,3]."""
        frame = np.zeros((self.image_size, self.image_size, 3), dtype=np.uint8)
        size = (self.new_width, self.new_height)
        resized = image.resize(size, Image.Resampling.BILINEAR)
        frame[: self.new_height, : self.new_width] = np.asarray(resized)
        return frame

    def to_frame(self, points: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Scale XY points [...,2] of the photo's pixels to the S frame: float32."""
        scale = (self.new_width / self.width, self.new_height / self.height)
        return (np.asarray(points, dtype=np.float64) * scale).astype(np.float32)

    def to_photo(self, logits: Tensor) -> Tensor:
        """Resize logits float [N,T,M,M] to the photo, float [N,T,height,width].

        Bilinear to the S frame, then crop, then bilinear to the photo: another order would move
        the masks' edges.
        """
        side = (self.image_size, self.image_size)
        framed = functional.interpolate(logits, side, mode="bilinear", align_corners=False)
        cropped = framed[..., : self.new_height, : self.new_width]
        photo = (self.height, self.width)
        return functional.interpolate(cropped, photo, mode="bilinear", align_corners=False)
