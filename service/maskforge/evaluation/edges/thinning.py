"""Makes edges one pixel wide: strengths to ridges, and sets of pixels to lines."""

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from maskforge.annotations import BoolMask

Floats = npt.NDArray[np.float32]

ORIENTATION_RADIUS: Final = 4
"""Pixels; of the triangle filter whose result the orientation of edges is taken of."""
SLACK: Final = 1.01
"""So much stronger than its neighbours may a pixel count as it is (`edgesNms.m`)."""

EAST, NORTH_EAST, NORTH, NORTH_WEST, WEST, SOUTH_WEST, SOUTH, SOUTH_EAST = range(8)
NEIGHBOURS: Final = ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))
"""(row, column) steps to a pixel's neighbours, counter-clockwise from the east."""


def thin_ridges(strengths: Floats) -> Floats:
    """Keep the pixels that are at least as strong as both neighbours across the edge: float32 [h,w].

    Non-maximum suppression after Canny. As in `edgesNms.m` of Dollár's toolbox the direction across comes from second
    derivatives of the smoothed strengths, and the neighbours are interpolated.
    """
    angle = _across(strengths)
    rows, columns = np.indices(strengths.shape, dtype=np.float32)
    kept = np.ones(strengths.shape, np.bool_)
    for side in (-1, 1):
        beside = cv2.remap(
            strengths,
            columns + side * np.cos(angle),
            rows + side * np.sin(angle),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        kept &= strengths * SLACK >= beside
    return strengths * kept


def thin_lines(mask: BoolMask) -> BoolMask:
    """Peel a set of pixels down to lines, keeping what is connected connected: bool [h,w].

    Lam, Lee and Suen 1992, as in Matlab's `bwmorph(…, "thin")`, which the benchmark of BSDS500 calls.
    """
    while True:
        peeled = _peel(_peel(mask, _FIRST), _SECOND)
        if (peeled == mask).all():
            return mask
        mask = peeled


def _across(strengths: Floats) -> Floats:
    """Return the angle of the direction across edges: radians, float32 [h,w].

    It is where strengths bend most: the eigenvector of the second derivatives whose eigenvalue is farthest from zero.
    """
    triangle = np.concatenate([np.arange(1, ORIENTATION_RADIUS + 2), np.arange(ORIENTATION_RADIUS, 0, -1)]).astype(
        np.float32
    )
    triangle /= triangle.sum()
    smooth = cv2.sepFilter2D(strengths, cv2.CV_32F, triangle, triangle, borderType=cv2.BORDER_REFLECT)
    down, across = np.gradient(smooth)
    across_twice = np.gradient(across, axis=1)
    down_twice, mixed = np.gradient(down)
    sign = np.where(across_twice + down_twice < 0, -1, 1)
    angle: Floats = np.arctan2(sign * 2 * mixed, sign * (across_twice - down_twice)).astype(np.float32) / 2
    return angle


def _peel(mask: BoolMask, removable: npt.NDArray[np.bool_]) -> BoolMask:
    return mask & ~removable[_codes(mask)]


def _codes(mask: BoolMask) -> npt.NDArray[np.uint8]:
    """Return each pixel's neighbours as bits, in the order of `NEIGHBOURS`: uint8 [h,w]."""
    padded = np.pad(mask, 1).view(np.uint8)
    height, width = mask.shape
    codes = np.zeros(mask.shape, np.uint8)
    for bit, (row, column) in enumerate(NEIGHBOURS):
        codes |= padded[1 + row : 1 + row + height, 1 + column : 1 + column + width] << bit
    return codes


def _removable(corner: tuple[int, int, int, int]) -> npt.NDArray[np.bool_]:
    """Say for each of 256 neighbourhoods whether its pixel may go, in the pass that peels at `corner`.

    It has one connected group of neighbours, is not the end of a line, and lies at one of the two sides of the pass.
    """
    one, two, without, three = corner
    x = [(np.arange(256) >> bit & 1).astype(np.bool_) for bit in range(8)]
    groups = np.sum([~x[i] & (x[i + 1] | x[(i + 2) % 8]) for i in range(0, 8, 2)], axis=0)
    pairs = [np.sum([x[(i + shift) % 8] | x[(i + shift + 1) % 8] for i in range(0, 8, 2)], axis=0) for shift in (0, 1)]
    fewest = np.minimum(*pairs)
    side = (x[one] | x[two] | ~x[without]) & x[three]
    removable: npt.NDArray[np.bool_] = (groups == 1) & (fewest >= 2) & (fewest <= 3) & ~side
    return removable


_FIRST: Final = _removable((NORTH_EAST, NORTH, SOUTH_EAST, EAST))
_SECOND: Final = _removable((SOUTH_WEST, SOUTH, NORTH_WEST, WEST))
