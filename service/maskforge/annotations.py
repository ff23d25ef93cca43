"""Reads photos with masks from a folder: `images/` and a COCO-like `annotations.json`.

On top of COCO, an image has a `source`; an annotation has a `kind` and may have an `ignore` mask, pixels that
do not count. Masks are compressed COCO run lengths.
"""

import json
import warnings
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from pycocotools import mask as run_lengths

BoolMask = npt.NDArray[np.bool_]
RgbImage = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Annotation:
    """One mask of a photo, still run-length encoded; `kind` is instance, part, component, region or stuff."""

    area: int
    encoded: Mapping[str, Any]
    encoded_ignore: Mapping[str, Any] | None
    kind: str = "instance"
    category: str = ""

    def mask(self) -> BoolMask:
        """Decode the mask: bool [h,w], pixels of the original photo."""
        return decode_mask(self.encoded)

    def ignored(self) -> BoolMask:
        """Decode the pixels that do not count: bool [h,w]."""
        if self.encoded_ignore is None:
            return np.zeros(self.encoded["size"], dtype=np.bool_)
        return decode_mask(self.encoded_ignore)


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo and its masks."""

    path: Path
    width: int
    height: int
    source: str
    annotations: tuple[Annotation, ...]

    def read(self) -> Image.Image:
        """Decode the photo as RGB."""
        with Image.open(self.path) as image:
            return image.convert("RGB")

    def at_least(self, share: float) -> "Photo":
        """Keep the masks that cover at least `share` of the photo."""
        smallest = share * self.width * self.height
        kept = tuple(a for a in self.annotations if a.area >= smallest)
        return Photo(self.path, self.width, self.height, self.source, kept)


def read_photos(folder: Path, smallest_share: float) -> list[Photo]:
    """Read the photos that have masks covering at least `smallest_share`; crowds are skipped."""
    catalogue = json.loads((folder / "annotations.json").read_text(encoding="utf-8"))
    names = {category["id"]: category["name"] for category in catalogue.get("categories", ())}
    by_image: dict[int, list[Annotation]] = defaultdict(list)
    for entry in catalogue["annotations"]:
        if not entry.get("iscrowd"):
            by_image[entry["image_id"]].append(_annotation(entry, names))
    photos = (_photo(folder, entry, by_image[entry["id"]]) for entry in catalogue["images"])
    sized = (photo.at_least(smallest_share) for photo in photos)
    return [photo for photo in sized if photo.annotations]


def _annotation(entry: Mapping[str, Any], names: Mapping[int, str]) -> Annotation:
    return Annotation(
        int(entry["area"]),
        entry["segmentation"],
        entry.get("ignore"),
        entry.get("kind", "instance"),
        names.get(entry.get("category_id", 0), ""),
    )


def _photo(folder: Path, entry: Mapping[str, Any], annotations: list[Annotation]) -> Photo:
    path = folder / "images" / entry["file_name"]
    return Photo(path, entry["width"], entry["height"], entry["source"], tuple(annotations))


def decode_mask(encoded: Mapping[str, Any]) -> BoolMask:
    """Decode COCO's compressed run lengths (`size` and `counts`): bool [h,w]."""
    with warnings.catch_warnings():
        # pycocotools 2.0.11 calls NumPy as before NumPy 2.
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        return run_lengths.decode(encoded).astype(np.bool_)
