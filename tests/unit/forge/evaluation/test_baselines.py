from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskforge.annotations import Annotation, BoolMask, Photo, read_photos
from maskforge.clicks import tight_box
from maskforge.evaluation.baselines import BASELINES, colour_flood, ellipse, filled_box, grabcut, measure_baselines
from maskforge.evaluation.ports import Prompt
from maskforge.evaluation.protocol import SMALLEST_MASK_SHARE
from maskforge.evaluation.statistics import source_mean
from tests.unit.forge.evaluation.world import encoded, rectangle

SHARED = Path(__file__).parents[5] / "shared" / "data" / "eval"


@pytest.fixture
def square() -> BoolMask:
    return rectangle(60, 80, slice(20, 40), slice(30, 50))


@pytest.fixture
def photo(tmp_path: Path, square: BoolMask) -> Photo:
    """A red square on grey, with a little noise."""
    noise = np.random.default_rng(0).integers(0, 6, (60, 80, 3))
    pixels = np.where(square[..., None], (200, 30, 30), (120, 120, 120)) + noise
    Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "square.png")
    return Photo(tmp_path / "square.png", 80, 60, "squares", (Annotation(400, encoded(square), None),))


def test_a_filled_box_is_the_box(photo: Photo, square: BoolMask) -> None:
    """Its far edges are exclusive."""
    np.testing.assert_array_equal(square, filled_box(np.array(photo.read()), Prompt(box=(30, 20, 50, 40))))


def test_an_ellipse_touches_the_box(photo: Photo) -> None:
    """It has the box for its own, and covers pi / 4 of it."""
    found = ellipse(np.array(photo.read()), Prompt(box=(10, 10, 70, 50)))

    assert [10, 10, 70, 50] == tight_box(found).tolist()
    assert pytest.approx(np.pi / 4, abs=0.005) == found.sum() / (60 * 40)


def test_grabcut_finds_what_differs(photo: Photo, square: BoolMask) -> None:
    """In a box that is too large it leaves out what looks like the outside."""
    np.testing.assert_array_equal(square, grabcut(np.array(photo.read()), Prompt(box=(24, 14, 56, 46))))


@pytest.mark.parametrize("box", [(0, 0, 80, 60), (0, 0, 1, 1)])
def test_grabcut_needs_something_beside_the_box(photo: Photo, box: tuple[int, int, int, int]) -> None:
    """A box as large as the photo leaves a border of one pixel; one at the border may leave nothing."""
    found = grabcut(np.array(photo.read()), Prompt(box=box))

    assert not found[0].any()


def test_a_flood_takes_what_is_connected(photo: Photo, square: BoolMask) -> None:
    """A click on the square takes the square."""
    np.testing.assert_array_equal(square, colour_flood(np.array(photo.read()), Prompt(points=((31, 22, 1),))))


def test_every_baseline_is_measured(photo: Photo) -> None:
    """Each is asked with its own kind of prompt."""
    (record,) = measure_baselines(photo)

    assert set(BASELINES) == set(record.ious)
    assert (1, 1) == (record.ious["filled_box"], record.ious["colour_flood"])
    assert record.ious["grabcut"] > 0.9


def _first_of_each_source(photos: list[Photo], most: int) -> list[Photo]:
    taken: dict[str, int] = {}
    kept = []
    for photo in photos:
        room = most - taken.get(photo.source, 0)
        some = photo.annotations[:room] if room > 0 else ()
        taken[photo.source] = taken.get(photo.source, 0) + len(some)
        kept.append(Photo(photo.path, photo.width, photo.height, photo.source, some))
    return kept


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the evaluation set, which is not the project's to hand on")
def test_the_box_is_as_good_as_is_known() -> None:
    """The README of the data tells of a box's mIoU over 631 masks: .569; they are 148 of each source at most."""
    photos = _first_of_each_source(read_photos(SHARED, SMALLEST_MASK_SHARE), 148)
    ious = [
        (photo.source, annotation.kind, annotation.area / float(np.prod(np.diff(box.reshape(2, 2), axis=0))))
        for photo in photos
        for annotation in photo.annotations
        for box in (tight_box(annotation.mask()),)
    ]

    coco = [value for source, kind, value in ious if (source, kind) == ("coco", "instance")]
    pets = [value for source, _, value in ious if source == "pets"]
    known = [pytest.approx(mean, abs=0.01) for mean in (0.569, 0.570, 0.573)]
    assert (631, known) == (len(ious), [np.mean([value for *_, value in ious]), np.mean(coco), np.mean(pets)])


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the evaluation set, which is not the project's to hand on")
def test_grabcut_is_about_as_good_as_is_known() -> None:
    """On pets the README of the data has .889 with other settings than ours, which are not told."""
    pets = [photo for photo in read_photos(SHARED, SMALLEST_MASK_SHARE) if photo.source == "pets"]
    records = [record for photo in pets for record in measure_baselines(photo)]

    assert pytest.approx(0.889, abs=0.02) == source_mean(records, lambda record: record.ious["grabcut"])
    assert pytest.approx(0.583, abs=0.001) == source_mean(records, lambda record: record.ious["filled_box"])
