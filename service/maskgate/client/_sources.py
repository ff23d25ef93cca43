"""What images are made of."""

from __future__ import annotations

import io
from os import PathLike
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from maskgate.client._png import png_of


class PillowImage(Protocol):
    """An image of Pillow, which need not be installed."""

    def save(self, fp: io.BytesIO, format: str) -> None:  # noqa: A002 - Pillow's name
        """Write a file."""


Source = str | PathLike[str] | bytes | npt.NDArray[np.uint8] | PillowImage
"""A file by its path or its bytes, or pixels: uint8 [H, W], [H, W, 3] or [H, W, 4], or an image of Pillow."""


def content_of(source: Source) -> bytes:
    """Return the bytes of a file; pixels become a PNG as they are, whatever EXIF said of them.

    Raises:
        OSError: The file cannot be read.
        ValueError: The array is no image.
    """
    match source:
        case bytes():
            return source
        case np.ndarray():
            return png_of(source)
        case str() | PathLike():
            return Path(source).read_bytes()
    buffer = io.BytesIO()
    source.save(buffer, "PNG")
    return buffer.getvalue()
