"""Arrays as PNG files, so that nobody needs an imaging library to send one."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

_COLOUR_TYPES = {1: 0, 3: 2, 4: 6}  # grey, RGB, RGBA (PNG specification, 11.2.1)
_UP = 2
_FAST = 1
_DIMENSIONS = 3


def png_of(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Write uint8 [H, W] (grey), [H, W, 3] (RGB) or [H, W, 4] (RGBA), 0..255.

    Raises:
        ValueError: The array is of another shape or dtype.
    """
    planes = pixels[..., None] if pixels.ndim == _DIMENSIONS - 1 else pixels
    if (
        planes.dtype != np.uint8
        or planes.ndim != _DIMENSIONS
        or planes.shape[2] not in _COLOUR_TYPES
        or not planes.size
    ):
        raise ValueError(f"pixels are uint8 [H, W], [H, W, 3] or [H, W, 4], and not {pixels.dtype} {pixels.shape}")
    height, width, channels = planes.shape
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    body = zlib.compress(_filtered(planes.reshape(height, -1)).tobytes(), _FAST)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def png_of_mask(mask: npt.NDArray[np.bool_]) -> bytes:
    """Write a mask, bool [H, W], as 255 on the mask and 0 elsewhere."""
    return png_of(np.where(mask, np.uint8(255), np.uint8(0)))


def _filtered(rows: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Store each row as its difference to the one above, modulo 256, after the number of that filter."""
    filtered = np.empty((rows.shape[0], rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = _UP
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    return filtered


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
