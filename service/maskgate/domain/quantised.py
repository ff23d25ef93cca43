"""Embeddings in half their bytes: int8 in blocks, each with a scale of its own.

A block is 64 neighbours in memory, of SAM's embeddings a row of a channel; nothing need be known of a tensor's shape.
One scale a channel would do for lite0, but a single large number would take the accuracy of all 4,096
(docs/adr/0016-embeddings-as-int8.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

_BLOCK = 64
_MOST = 127
_HALF = 2  # bytes


def quantise(tensor: bytes) -> bytes | None:
    """Write fp16 numbers as the scales of their blocks, fp16, then int8: number = scale * int8.

    Returns:
        About 0.52 times as many bytes; None where the numbers do not fill whole blocks, or one is not finite.
    """
    if not tensor or len(tensor) % (_BLOCK * _HALF):
        return None
    blocks = np.frombuffer(tensor, "<f2").reshape(-1, _BLOCK).astype(np.float32)
    scales = (np.abs(blocks).max(axis=1) / _MOST).astype("<f2")
    if not np.isfinite(scales).all():
        return None
    return b"".join((scales.tobytes(), _rounded(blocks, scales.astype(np.float32)).tobytes()))


def _rounded(blocks: npt.NDArray[np.float32], scales: npt.NDArray[np.float32]) -> npt.NDArray[np.int8]:
    """Divide blocks [N, 64], in place, by their scales [N]; where that is 0 in half precision, so is the block."""
    blocks *= np.divide(1, scales, out=np.zeros_like(scales), where=scales > 0)[:, None]
    return np.rint(blocks, out=blocks).clip(-_MOST, _MOST, out=blocks).astype(np.int8)


def quantised_size(tensor_bytes: int) -> int:
    """Return how many bytes `quantise` makes of a tensor of so many."""
    numbers = tensor_bytes // _HALF
    return numbers // _BLOCK * _HALF + numbers


def dequantise(data: bytes) -> bytes:
    """Read what `quantise` wrote, of which `quantised_size` tells the length: fp16 numbers."""
    blocks = len(data) // (_BLOCK + _HALF)
    scales = np.frombuffer(data, "<f2", blocks).astype(np.float32)
    numbers = np.frombuffer(data, np.int8, offset=blocks * _HALF).reshape(blocks, _BLOCK).astype(np.float32)
    numbers *= scales[:, None]
    return numbers.astype("<f2").tobytes()
