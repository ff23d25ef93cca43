from pathlib import Path

import numpy as np
from PIL import Image

from maskforge.annotations import read_photos
from maskforge.training.cache import LONGEST_SIDE, open_cache
from tests.unit.forge.training.world import Album, Rectangle, rectangle_mask, two_photos


def test_pixels_and_masks_come_back_as_they_were(tmp_path: Path) -> None:
    """Nothing of a photo is lost, nor of masks whose bits fill no whole byte."""
    cache = two_photos(tmp_path).cache()

    for photo, original in zip(cache.photos, read_photos(tmp_path, 0), strict=True):
        np.testing.assert_array_equal(np.asarray(original.read()), cache.image(photo))
        for stored, annotation in zip(photo.annotations, original.annotations, strict=True):
            np.testing.assert_array_equal(annotation.mask(), cache.mask(photo, stored.mask))
    assert ["coco", "pets"] == [photo.source for photo in cache.photos]


def test_what_is_to_be_ignored_is_kept(tmp_path: Path) -> None:
    """A mask without such pixels has none stored."""
    rectangles = [Rectangle((2, 2, 9, 9), "part", ignored=(3, 3, 2, 1)), Rectangle((20, 2, 9, 9))]
    cache = Album(tmp_path).add((40, 20), rectangles).cache()

    first, second = cache.photos[0].annotations
    assert first.ignored
    np.testing.assert_array_equal(rectangle_mask((40, 20), (3, 3, 2, 1)), cache.mask(cache.photos[0], first.ignored))
    assert ("part", "instance", None) == (first.kind, second.kind, second.ignored)


def test_a_large_photo_is_shrunk_with_its_masks(tmp_path: Path) -> None:
    """A photo of twice the longest side is halved; what vanishes of its masks is dropped."""
    size = (2 * LONGEST_SIDE, 64)
    cache = Album(tmp_path).add(size, [Rectangle((128, 8, 64, 32)), Rectangle((300, 11, 1, 1))]).cache()

    photo = cache.photos[0]
    assert (LONGEST_SIDE, 32) == (photo.width, photo.height)
    assert [(64, 4, 32, 16)] == [annotation.mask.box for annotation in photo.annotations if annotation.mask.box[2] > 1]


def test_a_cache_is_made_once(tmp_path: Path) -> None:
    """What is there is opened, not written again."""
    album = two_photos(tmp_path)
    folder = tmp_path / "cache" / album.cache().name
    (folder / "photos.bin").write_bytes(bytes((folder / "photos.bin").stat().st_size))

    cache = album.cache()

    assert not cache.image(cache.photos[0]).any()


def test_other_photos_have_another_cache(tmp_path: Path) -> None:
    """A pixel, or a mask, is enough."""
    album = two_photos(tmp_path)
    names = [album.cache().name]
    with Image.open(tmp_path / "images" / "0.png") as image:
        image.putpixel((0, 0), (255, 0, 0))
        image.save(tmp_path / "images" / "0.png")
    names.append(album.cache().name)
    names.append(album.add((40, 40), [Rectangle((5, 5, 5, 5))]).cache().name)

    assert 3 == len(set(names))


def test_a_cache_that_was_not_finished_is_made_anew(tmp_path: Path) -> None:
    """What an interrupted process left is written over."""
    album = two_photos(tmp_path)
    name = album.cache().name
    (tmp_path / "cache" / name).rename(tmp_path / "cache" / f"{name}.partial")
    (tmp_path / "cache" / f"{name}.partial" / "index.json").write_text("[", encoding="utf-8")

    photos = read_photos(tmp_path, 0)

    assert 2 == len(open_cache(photos, tmp_path / "cache").photos)
