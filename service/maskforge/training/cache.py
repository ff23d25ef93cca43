"""Photos and masks on disk in a form that is read without decoding: pixels mapped into memory, masks as packed bits.

A mask is stored inside its bounding box only, so that thousands of small ones cost little. The folder is named after
the digest of all that went into it: other photos, other masks or another form make another folder, never a stale one.
"""

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from maskforge.annotations import BoolMask, Photo, RgbImage

log = logging.getLogger(__name__)

FORM: Final = "cropped-bits/1"
LONGEST_SIDE: Final = 1024
SMALLEST_MASK_SHARE: Final = 0.0005
"""Half of what the evaluation counts: a crop may enlarge a mask."""


@dataclass(frozen=True, slots=True)
class StoredMask:
    """Where a mask's bits lie in `masks.bin`, and its bounding box in the stored photo: left, top, width, height."""

    offset: int
    box: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class StoredAnnotation:
    """A mask with its kind; `ignored` marks pixels that do not count."""

    kind: str
    mask: StoredMask
    ignored: StoredMask | None


@dataclass(frozen=True, slots=True)
class StoredPhoto:
    """Where a photo's pixels lie in `photos.bin`, RGB bytes row by row, and its annotations."""

    name: str
    source: str
    width: int
    height: int
    offset: int
    annotations: tuple[StoredAnnotation, ...]


class PhotoCache:
    """Random access to photos and masks; nothing is decoded, and only what is touched is read."""

    def __init__(self, folder: Path) -> None:
        """Open what `open_cache` has written."""
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        self.name = folder.name
        self.photos = tuple(_stored_photo(entry) for entry in index)
        self._pixels = np.memmap(folder / "photos.bin", np.uint8, "r")
        self._bits = np.memmap(folder / "masks.bin", np.uint8, "r")

    def image(self, photo: StoredPhoto) -> RgbImage:
        """Return the pixels uint8 [h,w,3], a read-only view of the file."""
        shape = (photo.height, photo.width, 3)
        pixels = self._pixels[photo.offset : photo.offset + photo.height * photo.width * 3].reshape(shape)
        return np.asarray(pixels)

    def mask(self, photo: StoredPhoto, stored: StoredMask) -> BoolMask:
        """Unpack a mask: bool [h,w], pixels of the stored photo."""
        left, top, width, height = stored.box
        packed = self._bits[stored.offset : stored.offset + (width * height + 7) // 8]
        inside = np.unpackbits(packed, count=width * height).reshape(height, width)
        mask = np.zeros((photo.height, photo.width), np.bool_)
        mask[top : top + height, left : left + width] = inside
        return mask


def open_cache(photos: Sequence[Photo], folder: Path) -> PhotoCache:
    """Open the photos' cache under `folder`; make it first if it is not there, all or nothing."""
    place = folder / _digest(photos)
    if not place.exists():
        log.info("caching %d photos in %s", len(photos), place)
        beside = place.with_suffix(".partial")
        beside.mkdir(parents=True, exist_ok=True)
        _write(photos, beside)
        beside.rename(place)
    return PhotoCache(place)


def _digest(photos: Sequence[Photo]) -> str:
    digest = hashlib.blake2b(f"{FORM} {LONGEST_SIDE} {SMALLEST_MASK_SHARE}".encode(), digest_size=12)
    for photo in photos:
        digest.update(photo.path.name.encode() + photo.path.read_bytes())
        masks = [(each.kind, each.encoded, each.encoded_ignore) for each in photo.annotations]
        digest.update(repr((photo.source, masks)).encode())
    return digest.hexdigest()


def _write(photos: Sequence[Photo], folder: Path) -> None:
    with (folder / "photos.bin").open("wb") as pixels, (folder / "masks.bin").open("wb") as bits:
        index = [asdict(_store(photo, pixels, bits)) for photo in photos]
    (folder / "index.json").write_text(json.dumps(index), encoding="utf-8")


def _store(photo: Photo, pixels: BinaryIO, bits: BinaryIO) -> StoredPhoto:
    image = photo.read()
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.BILINEAR)
    offset = pixels.tell()
    pixels.write(image.tobytes())
    annotations = tuple(_store_annotations(photo, image.size, bits))
    return StoredPhoto(photo.path.name, photo.source, *image.size, offset, annotations)


def _store_annotations(photo: Photo, size: tuple[int, int], bits: BinaryIO) -> Iterator[StoredAnnotation]:
    for annotation in photo.annotations:
        mask = _store_mask(annotation.mask(), size, bits)
        if mask is not None:
            yield StoredAnnotation(annotation.kind, mask, _store_mask(annotation.ignored(), size, bits))


def _store_mask(mask: BoolMask, size: tuple[int, int], bits: BinaryIO) -> StoredMask | None:
    """Append a mask, shrunk as its photo is; None if nothing of it is left."""
    fitted = np.asarray(Image.fromarray(mask.view(np.uint8)).resize(size, Image.Resampling.NEAREST))
    rows, columns = np.flatnonzero(fitted.any(axis=1)), np.flatnonzero(fitted.any(axis=0))
    if not len(rows):
        return None
    inside = fitted[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    box = (int(columns[0]), int(rows[0]), inside.shape[1], inside.shape[0])
    stored = StoredMask(bits.tell(), box)
    bits.write(_packed(inside))
    return stored


def _packed(mask: npt.NDArray[np.uint8]) -> bytes:
    return np.packbits(mask.reshape(-1)).tobytes()


def _stored_photo(entry: dict[str, Any]) -> StoredPhoto:
    annotations = tuple(
        StoredAnnotation(each["kind"], _stored_mask(each["mask"]), each["ignored"] and _stored_mask(each["ignored"]))
        for each in entry.pop("annotations")
    )
    return StoredPhoto(**entry, annotations=annotations)


def _stored_mask(entry: dict[str, Any]) -> StoredMask:
    return StoredMask(entry["offset"], tuple(entry["box"]))
