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
        return cls(height, width, _compress(_runs(mask.ravel(order="F"))))

    def decode(self) -> npt.NDArray[np.bool_]:
        """Return the mask [H, W], in Fortran order."""
        runs = _decompress(self.counts)
        values = np.arange(len(runs)) % 2 == 1
        return np.repeat(values, runs).reshape(self.width, self.height).T


def _runs(flat: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    start = (0, 0) if flat.size and flat[0] else (0,)  # a mask that begins set has a first run of 0
    return np.diff(np.concatenate((start, edges, (flat.size,))))


def _compress(runs: npt.NDArray[np.int64]) -> str:
    values = runs.copy()
    values[3:] -= runs[1:-2]
    groups = values[:, None] >> (_GROUP_BITS * np.arange(_MOST_GROUPS))
    # A value ends at the first group after which only copies of its sign bit would follow.
    sign_bit = (groups & (_MORE >> 1)) != 0
    ends = np.where(sign_bit, groups >> _GROUP_BITS == -1, groups >> _GROUP_BITS == 0)
    last = ends.argmax(axis=1)
    index = np.arange(_MOST_GROUPS)
    chars = (groups & (_MORE - 1)) + np.where(index < last[:, None], _MORE, 0) + ord("0")
    return bytes(chars[index <= last[:, None]].astype(np.uint8)).decode("ascii")


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
