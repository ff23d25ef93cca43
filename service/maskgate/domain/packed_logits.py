"""Logits of masks in few bytes: what other gateways need of them to start from, which is not every bit.

Of 128 KiB (M = 256) about a quarter is left, and masks that are refined from it agree with those that are refined from
the exact logits: mean IoU .995 with lite0 (tests/golden/test_packed_masks.py). Steps of a fixed size would not do:
logits of lite0 reach 5 where those of SAM reach 20.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

_HEADER = struct.Struct("<4sHf")  # magic, M, the step
_MAGIC = b"MGM1"
_MOST = 32.0
"""Beyond this a model is as sure as it gets; SAM 2 clips there (sam2/sam2_image_predictor.py, `_predict`)."""
_STEPS = 63
"""Steps on either side of 0: differences of neighbours then fit into int8."""
_LEAST_STEP = 2.0**-10
"""For masks that are 0 all over."""


def pack(logits: npt.NDArray[np.float16]) -> bytes:
    """Write logits [M, M] as the differences of neighbours in a row, in steps of a 63rd of the largest magnitude.

    Those are entropy-coded; looking for repeats as well would take twice the time and find none. What is not a number
    is written as 0.
    """
    numbers = logits.astype(np.float32)
    largest = float(np.abs(numbers).max())
    if not largest <= _MOST:  # nor is NaN
        numbers = np.nan_to_num(numbers, nan=0.0).clip(-_MOST, _MOST)
        largest = float(np.abs(numbers).max())
    step = max(largest / _STEPS, _LEAST_STEP)
    steps = np.rint(numbers * np.float32(1 / step)).astype(np.int8)
    compressor = zlib.compressobj(1, strategy=zlib.Z_HUFFMAN_ONLY)
    body = compressor.compress(np.diff(steps, axis=1, prepend=np.int8(0)).tobytes()) + compressor.flush()
    return _HEADER.pack(_MAGIC, len(logits), step) + body


def unpack(data: bytes) -> npt.NDArray[np.float16] | None:
    """Read what `pack` wrote, fp16 [M, M]; None where it is truncated, damaged or of another version."""
    if len(data) < _HEADER.size:
        return None
    magic, side, step = _HEADER.unpack_from(data)
    body = _decompressed(data[_HEADER.size :], side**2) if magic == _MAGIC else b""
    if len(body) != side**2:
        return None
    steps = np.frombuffer(body, np.int8).reshape(side, side).cumsum(axis=1, dtype=np.int8)
    return (steps * np.float32(step)).astype(np.float16)


def _decompressed(data: bytes, size: int) -> bytes:
    """Return so many bytes, or others where the data is damaged (its end is a checksum)."""
    decompressor = zlib.decompressobj()
    try:
        body = decompressor.decompress(data, size + 1)
    except zlib.error:
        return b""
    return body if decompressor.eof else b""
