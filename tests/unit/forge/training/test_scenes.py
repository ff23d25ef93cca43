from pathlib import Path

import numpy as np
import pytest

from maskforge.errors import UnusablePhotos
from maskforge.training.cache import StoredPhoto
from maskforge.training.crops import Piece
from maskforge.training.recipe import ExampleConfig, Phase
from maskforge.training.scenes import Scene, SceneMaker, cut_outs, paste, photo_chances
from tests.unit.forge.training.world import Album, Rectangle, rectangle_mask, two_photos

PHASE = Phase(1, 64, 1, 2, (0.9, 1.2))


def chances_by(attribute: str, photos: tuple[StoredPhoto, ...], config: ExampleConfig) -> dict[str, float]:
    chances: dict[str, float] = {}
    for photo, chance in zip(photos, photo_chances(photos, config), strict=True):
        name = getattr(photo, attribute)
        chances[name] = chances.get(name, 0) + float(chance)
    return chances


def test_sources_are_drawn_by_their_shares_however_many_photos_they_have(tmp_path: Path) -> None:
    """A source that the recipe does not name is drawn as often as an average one."""
    album, one = Album(tmp_path), [Rectangle((5, 5, 20, 20))]
    for source in ("coco", "pets", "pets", "pets", "own"):
        album.add((40, 40), one, source)
    config = ExampleConfig(source_shares={"coco": 0.6, "pets": 0.2})
    expected = {"coco": 0.5, "pets": 1 / 6, "own": 1 / 3}
    assert pytest.approx(expected) == chances_by("source", album.cache().photos, config)


def test_photos_with_many_masks_and_with_stuff_are_drawn_more_often(tmp_path: Path) -> None:
    """Four masks count twice as much as one, a photo with stuff as many times more as the recipe says."""
    some = [Rectangle((10 * index, 5, 8, 20)) for index in range(4)]
    album = (
        Album(tmp_path).add((40, 40), some[:1]).add((40, 40), some).add((40, 40), [Rectangle((0, 0, 9, 9), "stuff")])
    )
    chances = photo_chances(album.cache().photos, ExampleConfig(dense_weight=5))
    assert pytest.approx([1, 2, 5]) == chances / chances[0]


def test_a_cut_out_hides_what_is_behind_it() -> None:
    """The mask behind loses the pixels, which count now; the cut-out brings its own masks along."""
    behind = Piece(np.ones((8, 8), np.bool_), counted=np.zeros((8, 8), np.bool_))
    scene = Scene(np.zeros((8, 8, 3), np.uint8), [behind])
    whole = np.ones((4, 4), np.bool_)
    part = rectangle_mask((4, 4), (0, 0, 1, 1))
    for seed in range(20):
        pasted = paste(scene, np.full((4, 4, 3), 200, np.uint8), [whole, part], np.random.default_rng(seed))
        old, front, detail = pasted.pieces
        np.testing.assert_array_equal(~front.mask, old.mask)
        np.testing.assert_array_equal(front.mask, old.counted)
        assert not (detail.mask & ~front.mask).any()
        assert not pasted.image[~front.mask].any()
        assert pasted.image[front.mask].min() > 40
        assert front.mask.sum() >= 4


def test_wholes_are_cut_out_of_the_sources_that_give_them(tmp_path: Path) -> None:
    """Neither parts nor specks, and nothing of another source."""
    large, part, speck = Rectangle((5, 5, 20, 20)), Rectangle((5, 5, 20, 20), "part"), Rectangle((30, 30, 2, 2))
    album = Album(tmp_path).add((40, 40), [large, part, speck]).add((40, 40), [large], "dubai")
    found = list(cut_outs(album.cache().photos, ExampleConfig()))
    assert [(5, 5, 20, 20)] == [each.whole.mask.box for each in found]


def test_every_scene_has_a_mask_of_a_fair_size(tmp_path: Path) -> None:
    """Whatever is drawn fits the frame, and its masks lie in it."""
    cache = two_photos(tmp_path).cache()
    maker = SceneMaker(cache, cache.photos, ExampleConfig(paste_share=0.5))
    for seed in range(30):
        image, pieces = maker.draw(PHASE, np.random.default_rng(seed))
        assert max(image.shape[:2]) <= 64
        for piece in pieces:
            assert image.shape[:2] == piece.mask.shape
            assert 3 <= piece.mask.sum() <= 0.9 * piece.mask.size


def test_photos_without_a_fair_mask_are_refused(tmp_path: Path) -> None:
    """A mask of the whole photo teaches nothing: it is said so, and not drawn for ever."""
    cache = Album(tmp_path).add((16, 16), [Rectangle((0, 0, 16, 16))]).cache()
    maker = SceneMaker(cache, cache.photos, ExampleConfig(paste_share=0))
    with pytest.raises(UnusablePhotos):
        maker.draw(Phase(1, 16, 1, 1, (1, 1)), np.random.default_rng(0))
