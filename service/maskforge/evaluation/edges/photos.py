"""Reads the photos of BSDS500 and the boundaries that people drew: `edges.json`, images, and PNGs of 16 bits."""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from maskforge.annotations import Photo

SOURCE = "bsds500"


@dataclass(frozen=True, slots=True)
class EdgePhoto:
    """A photo and where people saw edges.

    Attributes:
        photo: The photo, without masks.
        boundaries: Bit i of a pixel is set where person i drew a boundary.
        annotators: How many people there were.
    """

    photo: Photo
    boundaries: Path
    annotators: int

    def truths(self) -> npt.NDArray[np.bool_]:
        """Read the boundaries: bool [annotators,h,w]."""
        bits = cv2.imread(str(self.boundaries), cv2.IMREAD_UNCHANGED)
        if bits is None:
            raise FileNotFoundError(2, "No such picture", str(self.boundaries))
        people = np.arange(self.annotators, dtype=np.uint16)[:, None, None]
        return (bits.astype(np.uint16) >> people & 1).astype(np.bool_)


def read_edge_photos(folder: Path) -> list[EdgePhoto]:
    """Read the list of photos."""
    catalogue = json.loads((folder / "edges.json").read_text(encoding="utf-8"))
    return [
        EdgePhoto(
            Photo(folder / entry["image"], entry["width"], entry["height"], SOURCE, ()),
            folder / entry["boundaries"],
            entry["annotators"],
        )
        for entry in catalogue["images"]
    ]
