"""A mask as its runs: a thousandth of its pixels, and all that area, box, encodings and outlines are made of.

Runs go down the columns first, as COCO's do (rle.py). They are found block by block while the block's pixels are still
in the processor's cache: writing a photo's pixels down first, and walking all of them for each of area, box and runs,
took as long again as upscaling them, or longer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from maskgate.domain.image import ImageSize
from maskgate.domain.prompt import Box
from maskgate.domain.rle import Rle

if TYPE_CHECKING:
    from collections.abc import Iterable

_Bools = npt.NDArray[np.bool_]
_Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A part of a mask, column by column.

    Attributes:
        left: The first of the columns.
        top: The first of the rows.
        padded: bool [w, h + 1 or more], empty after the h rows: so every run ends in its column.
        height: h.
    """

    left: int
    top: int
    padded: _Bools
    height: int

    @classmethod
    def positive(cls, left: int, top: int, values: npt.NDArray[np.generic]) -> Block:
        """Threshold values [w, h] at 0."""
        width, height = values.shape
        padded = np.empty((width, height + 1), np.bool_)
        np.greater(values, 0, out=padded[:, :-1])
        padded[:, -1] = False
        return cls(left, top, padded, height)

    @property
    def columns(self) -> _Bools:
        """The part of the mask, bool [w, h]."""
        return self.padded[:, : self.height]


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """The part of a mask inside its box.

    Attributes:
        left: Of the image's columns, the part's first.
        top: Of the image's rows, the part's first.
        pixels: bool [h, w], in Fortran order.
    """

    left: int
    top: int
    pixels: _Bools


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """Where a mask is set, in the order of its columns: pixel (x, y) is the one of number x * height + y.

    Attributes:
        size: Of the image.
        starts: int64 [n], the first pixel of each run, ascending.
        ends: int64 [n], the first pixel after it. It is below the next start, so no two runs touch.
    """

    size: ImageSize
    starts: _Integers
    ends: _Integers

    @classmethod
    def of(cls, pixels: _Bools) -> Runs:
        """Find the runs of a mask [H, W]. One in Fortran order is not copied."""
        height, width = pixels.shape
        return cls.collect(ImageSize(width, height), [Block.positive(0, 0, pixels.T)])

    @classmethod
    def collect(cls, size: ImageSize, blocks: Iterable[Block]) -> Runs:
        """Find the runs of a mask whose blocks come from left to right; between them it is empty."""
        found = [_runs_of(block, size.height) for block in blocks]
        starts, ends = np.concatenate(found, axis=1) if found else np.empty((2, 0), np.int64)
        return cls.joined(size, starts, ends)

    @classmethod
    def of_columns(cls, size: ImageSize, parts: _Integers) -> Runs:
        """Join what `by_column` takes apart: int64 [n, 3], in its order."""
        column, top, bottom = parts.T
        return cls.joined(size, column * size.height + top, column * size.height + bottom)

    @classmethod
    def joined(cls, size: ImageSize, starts: _Integers, ends: _Integers) -> Runs:
        """Make runs of such as may touch: one that reaches the bottom may go on at the top of the next column."""
        is_first = np.ones(starts.size, np.bool_)
        is_first[1:] = starts[1:] != ends[:-1]
        return cls(size, starts[is_first], ends[np.roll(is_first, -1)])

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int((self.ends - self.starts).sum())

    @property
    def box(self) -> Box | None:
        """The smallest rectangle around the mask; None where it is empty."""
        if not self.starts.size:
            return None
        height = self.size.height
        (left, right), (top, bottom) = self._columns, (0, height)
        if not np.any(self.starts // height != (self.ends - 1) // height):  # a run over two columns spans them all
            top, bottom = int((self.starts % height).min()), int(((self.ends - 1) % height).max()) + 1
        return Box(float(left), float(top), float(right), float(bottom))

    @property
    def _columns(self) -> tuple[int, int]:
        height = self.size.height
        return int(self.starts[0]) // height, int(self.ends[-1] - 1) // height + 1

    def by_column(self) -> _Integers:
        """Take the runs apart where columns end: int64 [n, 3], column, top and bottom (exclusive), in their order."""
        height = self.size.height
        first, last = self.starts // height, (self.ends - 1) // height
        counts = last - first + 1
        run = np.repeat(np.arange(counts.size), counts)
        column = np.arange(run.size) - np.repeat(np.cumsum(counts) - counts, counts) + first[run]
        top = np.maximum(self.starts[run] - column * height, 0)
        bottom = np.minimum(self.ends[run] - column * height, height)
        return np.stack((column, top, bottom), axis=1)

    def inverted(self) -> Runs:
        """Return all that is not set."""
        starts = np.append(0, self.ends)
        ends = np.append(self.starts, self.size.width * self.size.height)
        is_there = starts < ends
        return Runs(self.size, starts[is_there], ends[is_there])

    def placed(self, left: int, top: int, size: ImageSize) -> Runs:
        """Return the mask of an image of which this one is the part with its top left corner there."""
        if size == self.size:
            return self
        return Runs.of_columns(size, self.by_column() + np.array((left, top, top)))

    def rle(self) -> Rle:
        """Write the runs as COCO does."""
        edges = np.stack((self.starts, self.ends), axis=1).ravel()
        return Rle.of_edges(self.size.height, self.size.width, edges)

    def pixels(self) -> _Bools:
        """Return the mask, bool [H, W], in Fortran order."""
        return self._between(0, self.size.width).T

    def window(self) -> Window | None:
        """Return the part inside the box; None where the mask is empty."""
        box = self.box
        if box is None:
            return None
        left, top, right, bottom = int(box.x1), int(box.y1), int(box.x2), int(box.y2)
        return Window(left, top, self._between(left, right)[:, top:bottom].T)

    def _between(self, left: int, right: int) -> _Bools:
        """Return the columns bool [right - left, H]; all runs lie in them."""
        height = self.size.height
        edges = np.stack((self.starts, self.ends), axis=1).ravel() - left * height
        lengths = np.diff(edges, prepend=0, append=(right - left) * height)
        return np.repeat(np.arange(lengths.size) % 2 == 1, lengths).reshape(-1, height)


def _runs_of(block: Block, height: int) -> _Integers:
    """Find starts and ends int64 [2, n] in a block; a run that reaches the end of its column ends there."""
    flat = block.padded.ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    if flat[0]:
        edges = np.append(0, edges)
    column, row = np.divmod(edges, block.padded.shape[1])
    places: _Integers = (block.left + column) * height + block.top + row
    return places.reshape(-1, 2).T
