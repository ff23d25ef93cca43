"""Crops of photos with their masks: large-scale jitter (Ghiasi et al. 2021), mirrored, stretched, turned."""

from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from maskforge.annotations import BoolMask, RgbImage

Box = tuple[float, float, float, float]


class Piece(NamedTuple):
    """A mask in a frame.

    Attributes:
        mask: bool [h,w].
        counted: bool [h,w], the pixels that count; None if all do.
    """

    mask: BoolMask
    counted: BoolMask | None


@dataclass(frozen=True, slots=True)
class Crop:
    """A box of a photo (left, top, right, bottom), the size (width, height) it is resampled to, and what then is done.

    Attributes:
        mirrored: Whether left and right change places.
        turns: Quarter turns against the clock, after the mirror.
    """

    box: Box
    size: tuple[int, int]
    mirrored: bool = False
    turns: int = 0

    def cut_image(self, image: RgbImage) -> RgbImage:
        """Resample pixels uint8 [H,W,3], bilinear and antialiased as photos are for serving: uint8 [h,w,3]."""
        return self._cut(image, Image.Resampling.BILINEAR)

    def cut_mask(self, mask: BoolMask) -> BoolMask:
        """Resample a mask bool [H,W] to the nearest pixel: bool [h,w]."""
        return self._cut(mask.view(np.uint8), Image.Resampling.NEAREST).view(np.bool_)

    def _cut(self, pixels: npt.NDArray[np.uint8], resample: Image.Resampling) -> npt.NDArray[np.uint8]:
        left, top, right, bottom = self.box
        first_column, first_row = int(left), int(top)
        seen = pixels[first_row : ceil(bottom), first_column : ceil(right)]  # the rest need not be read
        box = (left - first_column, top - first_row, right - first_column, bottom - first_row)
        cut = np.asarray(Image.fromarray(seen).resize(self.size, resample, box=box))
        mirrored = cut[:, ::-1] if self.mirrored else cut
        return np.ascontiguousarray(np.rot90(mirrored, self.turns))


class View(NamedTuple):
    """How a photo is to be seen.

    Attributes:
        side: S, the side of the frame.
        zoom: The scale, relative to the whole photo fitted into S.
        stretch: Width is scaled by its root more, height less.
    """

    side: int
    zoom: float
    stretch: float


def crop_around(
    size: tuple[int, int], anchor: tuple[float, float], view: View, rng: np.random.Generator
) -> tuple[Box, tuple[int, int]]:
    """Draw a box of a photo of `size` (width, height) that holds `anchor` (x, y), and the size it gets in the frame.

    Where the enlarged photo exceeds the frame, the box lies anywhere around the anchor.
    """
    scale = view.side / max(size) * view.zoom
    scales = (scale * view.stretch**0.5, scale / view.stretch**0.5)
    (left, right, width), (top, bottom, height) = (
        _interval(length, at, factor, view.side, rng) for length, at, factor in zip(size, anchor, scales, strict=True)
    )
    return (left, top, right, bottom), (width, height)


def _interval(length: int, at: float, factor: float, side: int, rng: np.random.Generator) -> tuple[float, float, int]:
    """Return start and end in the photo, and the pixels they become."""
    pixels = max(1, min(side, int(length * factor)))
    span = min(float(length), pixels / factor)
    start = rng.uniform(max(0.0, at - span), min(at, length - span) if length > span else 0.0)
    return start, min(float(length), start + span), pixels
