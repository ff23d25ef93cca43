"""Photos nobody has uploaded yet, and what is to be found on them."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from maskgate.domain.prompt import Box
from maskgate.domain.rle import Rle

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

FOLDER = Path("docs/photos")
_serial = count()


@dataclass(frozen=True, slots=True)
class Truth:
    """An object as COCO annotated it."""

    box: Box
    pixels: npt.NDArray[np.bool_]

    def iou(self, mask: npt.NDArray[np.bool_]) -> float:
        return float((self.pixels & mask).sum() / (self.pixels | mask).sum())


def truth(name: str) -> Truth:
    known = json.loads((FOLDER / "truth.json").read_text())[name]
    x, y, width, height = known["box"]
    return Truth(Box(x, y, x + width, y + height), Rle(*known["size"], known["counts"]).decode())


def fresh(name: str) -> bytes:
    """The same pixels in a file that differs by a comment, so that its embedding is cached nowhere."""
    with Image.open(FOLDER / f"{name}.jpg") as photo:
        buffer = io.BytesIO()
        photo.save(buffer, "JPEG", quality=95, comment=f"copy {next(_serial)}".encode())
    return buffer.getvalue()
