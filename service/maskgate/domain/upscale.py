"""From a decoder's low-resolution logits to pixels of the original image.

The reference's way (segment_anything/modeling/sam.py, postprocess_masks) is bilinear from M to S, cut off the padding,
bilinear to the original size, threshold at 0. Each step is linear and separable, so all of it together is
`rows @ logits @ columns.T` with two sparse matrices of at most four taps a row. Columns come first, and only where
positive logits can reach. Down a column no weight is negative, so what is made of positive values alone is set, what is
made of none is not, and arithmetic is left for where the sign changes: a few tiles in a hundred.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from maskgate.domain.runs import Block

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from maskgate.domain.frame import Frame

_Floats = npt.NDArray[np.float32]
_Bools = npt.NDArray[np.bool_]
_PIXELS = 1 << 17
"""Of the image at a time, a byte each: they stay in the processor's cache, and the C library keeps their memory for the
next block. What is larger it may give back to the kernel each time, which took as long as the arithmetic."""
_LEAST_WIDTH = 64
"""Of a block in columns, however tall: each costs some calls of numpy."""
_TILE = 8
"""Outputs that share a small dense matrix. OpenBLAS gives larger products to several threads, which wait for each other
where Triton keeps the cores busy: 52 ms for a photo of 1024 x 768 instead of 3. Eight, because the flags
of a tile are the bytes of one number."""
_ALL_SET = np.uint64(0x0101_0101_0101_0101)


def upscale(logits: npt.NDArray[np.floating], frame: Frame) -> _Bools:
    """Upscale logits [M, M] and threshold at 0: bool [H, W] of the original image, in Fortran order."""
    size = frame.original
    columns = np.zeros((size.width, size.height), np.bool_)
    for block in upscaled_blocks(logits, frame):
        width, height = block.columns.shape
        columns[block.left : block.left + width, block.top : block.top + height] = block.columns
    return columns.T


def upscaled_blocks(logits: npt.NDArray[np.floating], frame: Frame) -> Iterator[Block]:
    """Upscale logits [M, M] and threshold at 0, some columns at a time, where anything can be positive."""
    size = frame.original
    positive = _positive(logits)
    across = _taps(size.width, frame.valid.width, frame.side, logits.shape[1])
    down = _taps(size.height, frame.valid.height, frame.side, logits.shape[0])
    xs = across.reached_by(np.logical_or.reduce(positive, axis=0))
    ys = down.reached_by(np.logical_or.reduce(positive, axis=1))
    if xs.start < xs.stop and ys.start < ys.stop:
        rows, columns = down.needed_for(ys), across.needed_for(xs)
        needed = np.ascontiguousarray(logits[rows, columns].T, np.float32)
        yield from _blocks(needed, across.since(columns.start), down.since(rows.start), xs, ys)


def _blocks(needed: _Floats, across: _Taps, down: _Taps, xs: slice, ys: slice) -> Iterator[Block]:
    wide = max(_LEAST_WIDTH, _PIXELS // (ys.stop - ys.start) // _TILE * _TILE)
    for left in range(xs.start, xs.stop, wide):
        narrow = _stretch(needed, across, slice(left, min(left + wide, xs.stop)))
        yield Block(left, ys.start, _threshold_down(narrow, down, ys), ys.stop - ys.start)


def _threshold_down(columns: _Floats, taps: _Taps, outputs: slice) -> _Bools:
    """Interpolate down columns [w, m], and find what is positive: bool [w, h + 1 or more], nothing after the h outputs.

    A tile of outputs is a single number here, as its eight flags are eight bytes.
    """
    height = outputs.stop - outputs.start
    weights, first = taps.matrix[_tiles_of(outputs)], taps.first[_tiles_of(outputs)]
    reach = weights.shape[-1]
    positives = _count_ahead(columns > 0, reach).take(first, axis=1)
    tiles = np.zeros((len(columns), first.size + 1), np.uint64)
    np.multiply(positives == reach, _ALL_SET, out=tiles[:, :-1])
    column, tile = np.divmod(np.flatnonzero((positives > 0) & (positives < reach)), first.size)
    values = columns.ravel().take(column * columns.shape[1] + first.take(tile) + np.arange(reach)[:, None])
    is_set = _weighted(values, weights, tile) > 0
    tiles.ravel()[column * tiles.shape[1] + tile] = is_set.view(np.uint64)[:, 0]
    pixels = tiles.view(np.bool_)
    pixels[:, height:] = False
    return pixels


def _weighted(values: _Floats, weights: _Floats, tile: npt.NDArray[np.intp]) -> _Floats:
    """Compute tiles [n, 8] of their values [k, n]. In this order it takes half as long as a product of matrices."""
    sums = np.zeros((tile.size, _TILE), np.float32)
    for value, weight in zip(values, np.moveaxis(weights, -1, 0), strict=True):
        sums += weight.take(tile, axis=0) * value[:, None]
    return sums


def _count_ahead(flags: _Bools, reach: int) -> npt.NDArray[np.uint8]:
    """Count how many of [w, m] are set among each and those after it, `reach` in all; a row's last ones are no use."""
    flat = flags.ravel().view(np.uint8)
    counts = np.zeros_like(flat)
    for ahead in range(reach):
        counts[: flat.size - ahead] += flat[ahead:]
    return counts.reshape(flags.shape)


def _positive(logits: npt.NDArray[np.floating]) -> _Bools:
    """Find what is above 0, in fp16 by the bits (numpy has no arithmetic for it); some NaN are found as well."""
    positive: _Bools = (logits.view(np.int16) if logits.dtype == np.float16 else logits) > 0
    return positive


def upscaled_area(logits: _Floats, frame: Frame) -> int:
    """Count the pixels that `upscale` would set."""
    return sum(int(np.count_nonzero(block.columns)) for block in upscaled_blocks(logits, frame))


def upscaled_edges(logits: _Floats, frame: Frame) -> tuple[int, int, int, int] | None:
    """Return left, top, right and bottom (exclusive) of what `upscale` would set; None where that is nothing.

    Only strips along the four edges are computed, from outside until one has a pixel: of hundreds of masks that
    overlap, most are dropped by their boxes alone.
    """
    size = frame.original
    across = _taps(size.width, frame.valid.width, frame.side, logits.shape[1])
    down = _taps(size.height, frame.valid.height, frame.side, logits.shape[0])
    horizontal = _extent(logits, across, down)
    vertical = _extent(logits.T, down, across)
    if horizontal is None or vertical is None:
        return None
    return horizontal.start, vertical.start, horizontal.stop, vertical.stop


def _extent(values: _Floats, across: _Taps, down: _Taps) -> slice | None:
    """Find the first and the last of the columns of outputs with a positive one."""
    positive = values > 0
    xs = across.reached_by(np.logical_or.reduce(positive, axis=0))
    ys = down.reached_by(np.logical_or.reduce(positive, axis=1))
    if ys.start == ys.stop:
        return None
    tiles = range(xs.start // _TILE, -(-xs.stop // _TILE))
    first = next(_positive_columns(values, across, down, tiles, ys), None)
    if first is None:
        return None
    last = next(_positive_columns(values, across, down, tiles[::-1], ys))
    return slice(int(first[0]), int(last[-1]) + 1)


def _positive_columns(
    values: _Floats, across: _Taps, down: _Taps, tiles: Sequence[int], ys: slice
) -> Iterator[npt.NDArray[np.intp]]:
    """Yield, tile by tile, the numbers of the columns with a positive output, where there are any."""
    for tile in tiles:
        first = int(across.first[tile])
        needed = np.ascontiguousarray(values[:, first : first + across.matrix.shape[-1]])
        outputs = across.matrix[tile] @ _stretch(needed, down, ys).T
        columns = np.flatnonzero((outputs > 0).any(axis=1))
        if columns.size:
            yield tile * _TILE + columns


@dataclass(frozen=True, slots=True)
class _Taps:
    """One axis of the upscaling: each output is a weighted sum of at most four logits.

    Attributes:
        index: int [n, 4], which logits.
        first: int [tiles], the first logit that a tile of outputs needs.
        matrix: float32 [tiles, _TILE, K], their weights for the K logits from there; outputs beyond n have none.
    """

    index: npt.NDArray[np.intp]
    first: npt.NDArray[np.intp]
    matrix: _Floats

    def reached_by(self, positive: _Bools) -> slice:
        """Outputs that any of the positive logits has a part in, from the start of a tile on.

        Elsewhere the mask is 0, as no weight is negative.
        """
        reached = np.flatnonzero(positive[self.index].any(axis=1))
        return slice(int(reached[0]) // _TILE * _TILE, int(reached[-1]) + 1) if reached.size else slice(0, 0)

    def needed_for(self, outputs: slice) -> slice:
        """Return the logits that the tiles of a range of outputs read."""
        tiles = _tiles_of(outputs)
        return slice(int(self.first[tiles.start]), int(self.first[tiles.stop - 1]) + self.matrix.shape[-1])

    def since(self, logit: int) -> _Taps:
        """Return the same for logits of which those before this one are left out."""
        return _Taps(self.index - logit, self.first - logit, self.matrix)


@lru_cache(maxsize=64)  # at most 2 MB each, for an image of 32768 pixels along a side
def _taps(original: int, valid: int, side: int, mask_size: int) -> _Taps:
    outer_index, outer_weight = _bilinear(original, valid)
    inner_index, inner_weight = _bilinear(side, mask_size)
    weight = outer_weight[:, :, None] * inner_weight[outer_index]
    index = inner_index[outer_index].reshape(original, 4)
    return _Taps(index, *_tiles(index, weight.reshape(original, 4).astype(np.float32), mask_size))


def _tiles(index: npt.NDArray[np.intp], weight: _Floats, mask_size: int) -> tuple[npt.NDArray[np.intp], _Floats]:
    """Put the taps of neighbouring outputs into small dense matrices, all of one width."""
    outputs = np.arange(len(index))
    edges = outputs[::_TILE]
    lowest, highest = np.minimum.reduceat(index.min(1), edges), np.maximum.reduceat(index.max(1), edges)
    width = int((highest - lowest).max()) + 1
    first = np.minimum(lowest, mask_size - width)
    matrix = np.zeros((len(edges) * _TILE, width), np.float32)
    np.add.at(matrix, (outputs[:, None], index - first[outputs // _TILE, None]), weight)
    return first, matrix.reshape(len(edges), _TILE, width)


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
    """Interpolate the rows of `values` for a range of outputs that starts with a tile: one small dense product each."""
    tiles = _tiles_of(outputs)
    needed = values.take(taps.first[tiles, None] + np.arange(taps.matrix.shape[-1]), axis=0)
    product: _Floats = (taps.matrix[tiles] @ needed).reshape(-1, values.shape[1])
    return product[: outputs.stop - outputs.start]


def _tiles_of(outputs: slice) -> slice:
    return slice(outputs.start // _TILE, -(-outputs.stop // _TILE))
