"""COCO's compressed run-length encoding, equal to pycocotools byte for byte.

The format is that of cocoapi's common/maskApi.c (rleEncode, rleToString, rleFrString): runs alternate between 0 and 1,
start with 0 and go down the columns first; from the third run on a count is stored as the difference to the one two
before it, in groups of five bits, least significant first, sign-extended, each group plus 48 as one character.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_GROUP_BITS = 5
_MORE = 1 << _GROUP_BITS
_MOST_GROUPS = 7  # 35 bits: more than any difference of two counts below 2**31


@dataclass(frozen=True, slots=True)
class Rle:
    """A mask as compressed runs."""

    height: int
    width: int
    counts: str

    @classmethod
    def encode(cls, mask: npt.NDArray[np.bool_]) -> Rle:
        """Encode a mask [H, W]. One in Fortran order is not copied."""
        height, width = mask.shape
        flat = mask.ravel(order="F")
        return cls.of_edges(height, width, np.flatnonzero(np.diff(flat, prepend=False)))

    @classmethod
    def of_edges(cls, height: int, width: int, edges: npt.NDArray[np.int64]) -> Rle:
        """Encode a mask by the numbers of the pixels, down the columns first, from which on it is set or is not.

        Args:
            height: Of the mask.
            width: Of the mask.
            edges: int64 [n], ascending; the mask is empty before the first. Height times width may be the last.
        """
        runs = np.diff(edges, prepend=0, append=height * width)
        return cls(height, width, _compress(runs if runs[-1] or runs.size == 1 else runs[:-1]))

    def decode(self) -> npt.NDArray[np.bool_]:
        """Return the mask [H, W], in Fortran order."""
        runs = _decompress(self.counts)
        values = np.arange(len(runs)) % 2 == 1
        return np.repeat(values, runs).reshape(self.width, self.height).T


def _compress(runs: npt.NDArray[np.int64]) -> str:
    values = runs.copy()
    values[3:] -= runs[1:-2]
    lengths = _groups_of(values)
    ends = np.cumsum(lengths)
    chars = np.empty(int(ends[-1]), np.uint8)
    starts, longest = ends - lengths, int(lengths.max())
    for group in range(longest):  # most values end with the first group, and hardly any has a fourth
        more = np.where(lengths > group + 1, _MORE, 0)
        chars[starts + group] = (values & (_MORE - 1)) + more + ord("0")
        if group + 1 < longest:
            kept = lengths > group + 1
            values, starts, lengths = values[kept] >> _GROUP_BITS, starts[kept], lengths[kept]
    return chars.tobytes().decode("ascii")


def _groups_of(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Count the groups of each value: the last one still has room for the sign."""
    magnitudes = np.where(values < 0, ~values, values)
    groups = np.ones(len(values), np.int64)
    for bits in range(_GROUP_BITS - 1, _GROUP_BITS * _MOST_GROUPS, _GROUP_BITS):
        is_longer = magnitudes >> bits > 0
        if not is_longer.any():
            break
        groups += is_longer
    return groups


def _decompress(counts: str) -> npt.NDArray[np.int64]:
    runs: list[int] = []
    value = shift = 0
    for char in counts.encode("ascii"):
        group = char - ord("0")
        value |= (group & (_MORE - 1)) << shift
        shift += _GROUP_BITS
        if group & _MORE:
            continue
        if group & (_MORE >> 1):
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))  # noqa: PLR2004 - see the module's text
        value = shift = 0
    return np.array(runs, dtype=np.int64)
