"""Makes scenes out of photos: a crop with its masks, onto which cut-outs of other photos may be pasted."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from maskforge.annotations import BoolMask, RgbImage
from maskforge.errors import UnusablePhotos
from maskforge.training.cache import PhotoCache, StoredAnnotation, StoredPhoto
from maskforge.training.colours import jitter
from maskforge.training.crops import Crop, Piece, View, crop_around
from maskforge.training.recipe import ExampleConfig, Phase

WHOLE = "instance"
PART = "part"
STUFF = "stuff"
LEAST_CUT_OUT = 0.02
"""Share of its photo that a cut-out covers at least: an enlarged speck teaches nothing."""
ATTEMPTS = 1000
MASKS_THAT_COUNT = 8
"""Photos with more masks are not drawn more often."""


class Scene(NamedTuple):
    """An image uint8 [h,w,3], h and w at most S, and the masks in it."""

    image: RgbImage
    pieces: list[Piece]


class CutOut(NamedTuple):
    """A whole thing in its photo, to be pasted elsewhere."""

    photo: StoredPhoto
    whole: StoredAnnotation


class SceneMaker:
    """Draws scenes from the photos of a cache."""

    def __init__(self, cache: PhotoCache, photos: Sequence[StoredPhoto], config: ExampleConfig) -> None:
        """Draw from `photos`, which are in `cache`."""
        self._cache = cache
        self._photos = photos
        self._config = config
        self._chances = photo_chances(photos, config)
        self._cut_outs = by_source(cut_outs(photos, config))

    def draw(self, phase: Phase, rng: np.random.Generator) -> Scene:
        """Draw scenes until one has a mask of a fair size.

        Raises:
            UnusablePhotos: None has, however often one is drawn.
        """
        for _ in range(ATTEMPTS):
            scene = self._draw_any(phase, rng)
            pieces = [piece for piece in scene.pieces if self._is_fair(piece.mask, phase.image_size)]
            if pieces:
                return Scene(scene.image, pieces)
        raise UnusablePhotos(f"{ATTEMPTS} crops of the photos have no mask of a fair size")

    def _draw_any(self, phase: Phase, rng: np.random.Generator) -> Scene:
        photo = self._photos[int(rng.choice(len(self._photos), p=self._chances))]
        scene = self._cut(photo, phase, rng)
        if photo.source in self._config.pasted_sources and rng.random() < self._config.paste_share:
            for _ in range(rng.integers(1, self._config.pastes + 1)):
                scene = self._paste(scene, phase, rng)
        return scene

    def _cut(self, photo: StoredPhoto, phase: Phase, rng: np.random.Generator) -> Scene:
        crop = self._draw_crop(photo, phase, rng)
        image = jitter(crop.cut_image(self._cache.image(photo)), self._config, rng)
        chosen = rng.permutation(len(photo.annotations))[: 2 * phase.masks]
        pieces = [self._piece(photo, photo.annotations[index], crop) for index in chosen]
        return Scene(image, pieces)

    def _draw_crop(self, photo: StoredPhoto, phase: Phase, rng: np.random.Generator) -> Crop:
        """Draw a crop around a point in one of the masks' boxes, so that few crops are empty."""
        left, top, width, height = photo.annotations[rng.integers(len(photo.annotations))].mask.box
        anchor = (left + rng.random() * width, top + rng.random() * height)
        view = View(phase.image_size, _log_uniform(phase.zoom, rng), self._config.stretch ** rng.uniform(-1, 1))
        box, size = crop_around((photo.width, photo.height), anchor, view, rng)
        turns = int(rng.integers(4)) if photo.source in self._config.turned_sources else 0
        return Crop(box, size, mirrored=bool(rng.random() < 0.5), turns=turns)

    def _piece(self, photo: StoredPhoto, annotation: StoredAnnotation, crop: Crop) -> Piece:
        mask = crop.cut_mask(self._cache.mask(photo, annotation.mask))
        if annotation.ignored is None:
            return Piece(mask, None)
        return Piece(mask, ~crop.cut_mask(self._cache.mask(photo, annotation.ignored)))

    def _paste(self, scene: Scene, phase: Phase, rng: np.random.Generator) -> Scene:
        """Paste a random cut-out, with its parts; what it hides is no longer seen of other masks."""
        pool = list(self._cut_outs.values())
        if not pool:
            return scene
        candidates = pool[rng.integers(len(pool))]
        cut_out = candidates[rng.integers(len(candidates))]
        crop = _fit(cut_out.whole.mask.box, rng.uniform(*self._config.paste_side) * phase.image_size, rng)
        cut = crop.cut_image(self._cache.image(cut_out.photo))
        pixels = jitter(cut, self._config, rng)
        whole = crop.cut_mask(self._cache.mask(cut_out.photo, cut_out.whole.mask))
        masks = [whole, *(part & whole for part in self._parts(cut_out, crop))]
        return paste(scene, pixels, masks, rng)

    def _parts(self, cut_out: CutOut, crop: Crop) -> Iterator[BoolMask]:
        for annotation in cut_out.photo.annotations:
            if annotation.kind == PART:
                yield crop.cut_mask(self._cache.mask(cut_out.photo, annotation.mask))

    def _is_fair(self, mask: BoolMask, side: int) -> bool:
        least, most = self._config.mask_area
        return least * side**2 <= mask.sum() <= most * mask.size


def paste(scene: Scene, pixels: RgbImage, masks: Sequence[BoolMask], rng: np.random.Generator) -> Scene:
    """Paste the first of `masks` bool [h,w], with the others in it, at a random place of the scene.

    A border of one pixel is blended, or the paste would be known by its edge. The cut-out may hang over the scene's
    edge by half.
    """
    height, width = scene.image.shape[:2]
    top, left = (
        int(rng.integers(-size // 2, space - size // 2 + 1))
        for size, space in zip(masks[0].shape, (height, width), strict=True)
    )
    layers = [_place(mask.view(np.uint8), (height, width), (top, left)).view(np.bool_) for mask in masks]
    alpha = cv2.blur(layers[0].astype(np.float32), (3, 3))[..., None] * layers[0][..., None]
    over = _place(pixels, (height, width), (top, left))
    image = (scene.image + alpha * (over.astype(np.float32) - scene.image)).astype(np.uint8)
    return Scene(image, [*(_behind(piece, layers[0]) for piece in scene.pieces), *(Piece(m, None) for m in layers)])


def _behind(piece: Piece, front: BoolMask) -> Piece:
    counted = None if piece.counted is None else piece.counted | front
    return Piece(piece.mask & ~front, counted)


def _place(pixels: npt.NDArray[np.uint8], size: tuple[int, int], corner: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Put pixels [h,w,...] into zeros of another size at a corner (top, left) that may lie outside."""
    canvas = np.zeros((*size, *pixels.shape[2:]), np.uint8)
    there = tuple(slice(max(0, at), max(0, at + n)) for at, n in zip(corner, pixels.shape, strict=False))
    here = tuple(slice(max(0, -at), max(0, n - at)) for at, n in zip(corner, size, strict=True))
    canvas[there] = pixels[here]
    return canvas


def _fit(box: tuple[int, int, int, int], side: float, rng: np.random.Generator) -> Crop:
    """Cut a box (left, top, width, height) so that its longest side becomes `side`."""
    left, top, width, height = box
    factor = side / max(width, height)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return Crop((left, top, left + width, top + height), size, mirrored=bool(rng.random() < 0.5))


def photo_chances(photos: Sequence[StoredPhoto], config: ExampleConfig) -> npt.NDArray[np.float64]:
    """Return each photo's chance: its source's share, within it by the root of its masks, dense ones more often."""
    shares = config.source_shares
    sources = {photo.source for photo in photos}
    unknown = sum(shares.values()) / len(shares) if shares else 1.0
    weights = np.array([_weight(photo, config) for photo in photos])
    for source in sources:
        own = np.array([photo.source == source for photo in photos])
        weights[own] *= shares.get(source, unknown) / weights[own].sum()
    return weights / weights.sum()


def _weight(photo: StoredPhoto, config: ExampleConfig) -> float:
    is_dense = any(annotation.kind == STUFF for annotation in photo.annotations)
    return min(len(photo.annotations), MASKS_THAT_COUNT) ** 0.5 * (config.dense_weight if is_dense else 1.0)


def cut_outs(photos: Sequence[StoredPhoto], config: ExampleConfig) -> Iterator[CutOut]:
    """Yield the whole things that are large enough, of the sources that give them."""
    for photo in photos:
        if photo.source in config.pasted_sources:
            for annotation in photo.annotations:
                _, _, width, height = annotation.mask.box
                if annotation.kind == WHOLE and width * height >= LEAST_CUT_OUT * photo.width * photo.height:
                    yield CutOut(photo, annotation)


def by_source(things: Iterator[CutOut]) -> dict[str, list[CutOut]]:
    """Sort cut-outs by the source of their photo."""
    sorted_things: dict[str, list[CutOut]] = {}
    for thing in things:
        sorted_things.setdefault(thing.photo.source, []).append(thing)
    return sorted_things


def _log_uniform(bounds: tuple[float, float], rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(*np.log(bounds))))
