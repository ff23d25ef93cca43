"""Masks to start from: what clients send, and the logits that a mask decoder takes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from maskgate.domain.errors import InvalidPrompt

if TYPE_CHECKING:
    import numpy.typing as npt

    from maskgate.domain.frame import Frame
    from maskgate.domain.mask_handle import MaskHandle

_SURE = 20.0
"""What a decoder's own logits reach (segment-anything issue 169); 0 and 1 as logits would say almost nothing."""
_MOST = 100.0
"""Beyond this the convolutions that embed a mask could overflow in half precision."""


@dataclass(frozen=True, slots=True)
class PngSource:
    """A PNG of one channel at the size of the oriented image; 128 and more is the mask."""

    png: bytes

    def check_fits(self, mask_size: int) -> None:
        """Refuse nothing: a PNG is of the size of the image, whatever the model."""


@dataclass(frozen=True, slots=True)
class LogitsSource:
    """Low-resolution logits of an earlier answer: fp16 [M, M], little-endian, rows first."""

    data: bytes

    def check_fits(self, mask_size: int) -> None:
        """Refuse logits of another size than the model's M.

        Raises:
            InvalidPrompt: There are more or fewer.
        """
        expected = 2 * mask_size**2
        if len(self.data) != expected:
            raise InvalidPrompt(
                f"mask.logits has {len(self.data)} bytes; the model takes {expected}: "
                f"{mask_size} x {mask_size} half-precision floats.",
                field="mask.logits",
                bytes=len(self.data),
                expected_bytes=expected,
            )


@dataclass(frozen=True, slots=True)
class HandleSource:
    """The handle of a mask of an earlier answer."""

    handle: MaskHandle

    def check_fits(self, mask_size: int) -> None:
        """Refuse nothing: what is kept is of the model that answered."""


MaskSource = PngSource | LogitsSource | HandleSource
"""Where a mask to start from comes from."""


def logits_of_bytes(data: bytes, mask_size: int) -> npt.NDArray[np.float16]:
    """Read logits fp16 [M, M] that a client sent, clipped to -100..100.

    Raises:
        InvalidPrompt: They are of another size, or one is not finite.
    """
    LogitsSource(data).check_fits(mask_size)
    logits = np.frombuffer(data, "<f2").reshape(mask_size, mask_size).astype(np.float32)  # twice as fast all in all
    if not np.isfinite(logits).all():
        raise InvalidPrompt("mask.logits holds numbers that are not finite.", field="mask.logits")
    return logits.clip(-_MOST, _MOST).astype(np.float16)


def logits_of_answer(logits: npt.NDArray[np.float16]) -> npt.NDArray[np.float16]:
    """Make logits fp16 [M, M] of an answer fit to start from: clipped to -100..100, and 0 where there is no number.

    The reference hands them back as they are (segment_anything/predictor.py, `predict`); SAM 2 clips them to -32..32.
    """
    return np.nan_to_num(logits.astype(np.float32), nan=0.0).clip(-_MOST, _MOST).astype(np.float16)


def logits_of_pixels(pixels: npt.NDArray[np.bool_], frame: Frame, mask_size: int) -> npt.NDArray[np.float16]:
    """Make logits fp16 [M, M] of a mask, bool [H, W]: 20 in it, -20 beside it and in the padding.

    A cell of the frame gets (2 p - 1) * 20, where p is how much of it is mask: of its area inside the image, so that
    masks keep their hold on the edges of the image. Cells that the image does not touch are padding.
    """
    columns, rows = frame.valid_in(mask_size)
    across = _edges(frame.original.width, columns, mask_size)
    down = _edges(frame.original.height, rows, mask_size)
    mask = _sums(_sums(pixels, down).T, across).T
    image = np.outer(np.diff(down), np.diff(across))
    share = np.divide(mask, image, out=np.zeros(image.shape), where=image > 0)
    return ((2 * share - 1) * _SURE).clip(-_SURE, _SURE).astype(np.float16)


def _edges(length: int, cells: float, mask_size: int) -> npt.NDArray[np.float64]:
    """Return where cells begin and end, float64 [M + 1], in pixels of an image that so many cells hold.

    Multiplied before it is divided: so the image's end is exact, and no sliver of it lies in the cell beyond.
    """
    return np.minimum(np.arange(mask_size + 1, dtype=np.float64) * length / cells, length)


def _sums(rows: npt.NDArray[np.bool_ | np.float32], edges: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Sum rows [N, K] between neighbouring edges [M + 1]: float32 [M, K]; of a row that an edge cuts, each its part."""
    return np.stack([_sum(rows, start, end) for start, end in pairwise(edges.tolist())])


def _sum(rows: npt.NDArray[np.bool_ | np.float32], start: float, end: float) -> npt.NDArray[np.float32]:
    first, last = math.floor(start), math.ceil(end)
    index = np.arange(first, last)
    weights = np.minimum(index + 1, end) - np.maximum(index, start)
    return weights.astype(np.float32) @ rows[first:last].astype(np.float32, copy=False)
