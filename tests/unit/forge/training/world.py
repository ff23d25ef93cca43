"""A small world to learn from: photos of coloured rectangles, with their masks."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as run_lengths

from maskforge.annotations import BoolMask, read_photos
from maskforge.training.cache import PhotoCache, open_cache
from maskforge.training.recipe import ExampleConfig, Phase, Recipe

TINY = Recipe(
    phases=(Phase(3, 64, 2, 2, (0.9, 1.5)), Phase(2, 96, 1, 1, (0.9, 1.1))),
    examples=ExampleConfig(source_shares={}),
    frozen_steps=1,
    warm_up=2,
)


@dataclass(frozen=True)
class Rectangle:
    """A mask: left, top, width, height."""

    box: tuple[int, int, int, int]
    kind: str = "instance"
    ignored: tuple[int, int, int, int] | None = None


def rectangle_mask(size: tuple[int, int], box: tuple[int, int, int, int]) -> BoolMask:
    """Draw a box (left, top, width, height) in a photo of `size` (width, height): bool [h,w]."""
    left, top, width, height = box
    mask = np.zeros(size[::-1], np.bool_)
    mask[top : top + height, left : left + width] = True
    return mask


class Album:
    """A folder of photos in the making."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def add(self, size: tuple[int, int], rectangles: Sequence[Rectangle], source: str = "coco") -> "Album":
        """Add a photo of noise with bright rectangles."""
        number = len(self._images)
        pixels = np.random.default_rng(number).integers(0, 90, (*size[::-1], 3), np.uint8)
        for rectangle in rectangles:
            pixels[rectangle_mask(size, rectangle.box)] += 120
        name = f"{number}.png"
        (self.folder / "images").mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(self.folder / "images" / name)
        width, height = size
        entry = {"id": number, "file_name": name, "width": width, "height": height, "source": source}
        self._images.append(entry)
        self._annotations.extend(_annotation(number, size, rectangle) for rectangle in rectangles)
        return self

    def write(self) -> Path:
        """Write the catalogue; the folder can be read then."""
        catalogue = {"images": self._images, "annotations": self._annotations}
        (self.folder / "annotations.json").write_text(json.dumps(catalogue), encoding="utf-8")
        return self.folder

    def cache(self) -> PhotoCache:
        """Write the catalogue and open the photos' cache beside it."""
        return open_cache(read_photos(self.write(), 0), self.folder / "cache")


def _annotation(image: int, size: tuple[int, int], rectangle: Rectangle) -> dict[str, Any]:
    mask = rectangle_mask(size, rectangle.box)
    entry = {"image_id": image, "area": int(mask.sum()), "segmentation": _encode(mask), "kind": rectangle.kind}
    if rectangle.ignored:
        entry["ignore"] = _encode(rectangle_mask(size, rectangle.ignored))
    return entry


def _encode(mask: BoolMask) -> dict[str, Any]:
    encoded = run_lengths.encode(np.asfortranarray(mask.view(np.uint8)))
    return {"size": encoded["size"], "counts": encoded["counts"].decode()}


def two_photos(folder: Path) -> Album:
    """Give an album of two photos, one with two masks, the other with one."""
    album = Album(folder)
    album.add((60, 40), [Rectangle((5, 5, 30, 20)), Rectangle((40, 10, 15, 25))])
    return album.add((40, 60), [Rectangle((4, 20, 30, 30))], source="pets")
