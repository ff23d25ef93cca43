"""Masks: from a decoder's low-resolution logits to pixels of the original image.

The reference's way (segment_anything/modeling/sam.py, postprocess_masks) is bilinear from M to S, cut off the padding,
bilinear to the original size, threshold at 0. Each step is linear and separable, so all of it together is
`rows @ logits @ columns.T` with two sparse matrices of at most four taps a row. Only the part of the image that
positive logits can reach is computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from maskgate.domain.prompt import Box
from maskgate.domain.rle import Rle

if TYPE_CHECKING:
    from maskgate.domain.frame import Frame

_Floats = npt.NDArray[np.float32]
_Bools = npt.NDArray[np.bool_]
_TILE = 256  # output rows a step: a tile then needs few logits, so 12 megapixels cost 0.5 instead of 6 GFLOP


@dataclass(frozen=True, slots=True)
class Mask:
    """A mask at the size of the oriented image, kept as its runs: pixels are a thousand times as large.

    Attributes:
        rle: The pixels, compressed.
        predicted_iou: The model's estimate of the intersection over union with what was meant.
        area: Number of pixels.
        box: The smallest rectangle around the mask; None where it is empty.
    """

    rle: Rle
    predicted_iou: float
    area: int
    box: Box | None

    @classmethod
    def from_logits(cls, logits: npt.NDArray[np.floating], *, iou: float, frame: Frame) -> Mask:
        """Upscale logits [M, M] to a mask of the original image."""
        pixels = upscale(logits.astype(np.float32), frame)
        return cls(Rle.encode(pixels), iou, int(np.count_nonzero(pixels)), _box_of(pixels))


def upscale(logits: _Floats, frame: Frame) -> _Bools:
    """Upscale logits float32 [M, M] and threshold at 0: bool [H, W] of the original image, in Fortran order."""
    size = frame.original
    columns = np.zeros((size.width, size.height), np.bool_)
    positive = logits > 0
    across = _taps(size.width, frame.valid.width, frame.side, logits.shape[1])
    down = _taps(size.height, frame.valid.height, frame.side, logits.shape[0])
    xs = across.reached_by(np.logical_or.reduce(positive, axis=0))
    ys = down.reached_by(np.logical_or.reduce(positive, axis=1))
    if xs.start < xs.stop and ys.start < ys.stop:
        wide = _stretch(logits.T, across, xs)
        for top in range(ys.start, ys.stop, _TILE):
            rows = slice(top, min(top + _TILE, ys.stop))
            columns[xs, rows] = _stretch(wide.T, down, rows).T > 0
    return columns.T


@dataclass(frozen=True, slots=True)
class _Taps:
    """One axis of the upscaling: each output is a weighted sum of at most four logits.

    Attributes:
        index: int [n, 4], which logits.
        weight: float32 [n, 4], their weights; they add up to 1.
    """

    index: npt.NDArray[np.intp]
    weight: _Floats

    def reached_by(self, positive: _Bools) -> slice:
        """Outputs that any of the positive logits has a part in. Elsewhere the mask is 0, as no weight is negative."""
        reached = np.flatnonzero(positive[self.index].any(axis=1))
        return slice(int(reached[0]), int(reached[-1]) + 1) if reached.size else slice(0, 0)


@lru_cache(maxsize=64)  # at most 1.6 MB each, for an image of 32768 pixels along a side
def _taps(original: int, valid: int, side: int, mask_size: int) -> _Taps:
    outer_index, outer_weight = _bilinear(original, valid)
    inner_index, inner_weight = _bilinear(side, mask_size)
    weight = outer_weight[:, :, None] * inner_weight[outer_index]
    return _Taps(
        inner_index[outer_index].reshape(original, 4),
        weight.reshape(original, 4).astype(np.float32),
    )


def _bilinear(outputs: int, inputs: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """Two taps an output, pixel centres at halves (torch's `interpolate(mode="bilinear", align_corners=False)`).

    Positions are torch's to the last bit: the ratio is float32, and so is what a fused multiply-add makes of it. Exact
    positions lie up to 8e-5 away, which turns pixels where steep logits cross the threshold.
    """
    ratio = float(np.float32(inputs / outputs))
    position = np.maximum((np.arange(outputs) + 0.5) * ratio - 0.5, 0.0).astype(np.float32)
    low = np.minimum(position.astype(np.intp), inputs - 1)
    high = np.minimum(low + 1, inputs - 1)
    part = np.clip(position - low, 0.0, 1.0)
    return np.stack((low, high), axis=1), np.stack((1.0 - part, part), axis=1)


def _stretch(values: _Floats, taps: _Taps, outputs: slice) -> _Floats:
    """Interpolate the rows of `values` for a range of outputs: one small dense product."""
    index, weight = taps.index[outputs], taps.weight[outputs]
    first, last = int(index.min()), int(index.max())
    matrix = np.zeros((len(index), last - first + 1), np.float32)
    np.add.at(matrix, (np.arange(len(index))[:, None], index - first), weight)
    product: _Floats = matrix @ values[first : last + 1]
    return product


def _box_of(pixels: _Bools) -> Box | None:
    xs = np.flatnonzero(pixels.any(axis=0))
    ys = np.flatnonzero(pixels.any(axis=1))
    if not xs.size:
        return None
    return Box(float(xs[0]), float(ys[0]), float(xs[-1] + 1), float(ys[-1] + 1))


def best_first(masks: list[Mask]) -> tuple[Mask, ...]:
    """Order masks by predicted IoU, the highest first; equal ones keep the order of the tokens."""
    return tuple(sorted(masks, key=lambda mask: -mask.predicted_iou))
