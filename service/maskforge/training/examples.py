"""Cuts training examples out of photos: a crop, some of its masks, and a first prompt for each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from maskforge.annotations import BoolMask, Photo, RgbImage
from maskforge.clicks import centre_click, noisy_box, random_click
from maskforge.sam.prompt_encoder import (
    BOX_BOTTOM_RIGHT,
    BOX_TOP_LEFT,
    FOREGROUND,
    PAD_POINT,
)

FIRST_PROMPT_SLOTS = 2


@dataclass(frozen=True, slots=True)
class ExampleConfig:
    """How examples are cut.

    Attributes:
        image_size: S.
        masks: Masks to a crop; repeated with other prompts where the crop has fewer.
        zoom: Range of the crop's scale, relative to the whole photo fitted into S.
        area: Range of a mask's share of the SxS frame.
        box_share: Share of masks prompted by a box rather than a click.
        centre_share: Share of clicks put at the mask's centre rather than anywhere on it.
        box_noise: Largest noise of a box's edges, as a share of its size.
        contrast: Range of the factor on pixel values.
        brightness: Largest shift of pixel values.
        source_weights: How often a source is drawn per photo; 1 where it is not listed.
    """

    image_size: int
    masks: int
    zoom: tuple[float, float] = (0.8, 1.8)
    area: tuple[float, float] = (0.0008, 0.9)
    box_share: float = 0.5
    centre_share: float = 0.5
    box_noise: float = 0.1
    contrast: tuple[float, float] = (0.8, 1.2)
    brightness: float = 15.0
    source_weights: Mapping[str, float] = field(
        default_factory=lambda: {"coco": 4.0, "pets": 1.0, "ccp": 1.0, "dsb2018": 0.6, "dubai": 2.0}
    )


class Example(NamedTuple):
    """A crop with K masks, or B of them once collated.

    Attributes:
        image: uint8 [3,S,S], RGB, padded right and bottom with zeros.
        valid_hw: int32 [2].
        masks: uint8 [K,S,S], 0 or 1.
        counted: uint8 [K,S,S], 0 where a pixel does not count.
        point_coords: float32 [K,2,2], the first prompt, XY pixels of the S frame.
        point_labels: float32 [K,2].
    """

    image: Tensor
    valid_hw: Tensor
    masks: Tensor
    counted: Tensor
    point_coords: Tensor
    point_labels: Tensor


class Crop(NamedTuple):
    """A box of the original photo and the size and orientation it is resampled to."""

    box: tuple[float, float, float, float]
    size: tuple[int, int]
    mirrored: bool

    def cut(self, image: Image.Image, resample: Image.Resampling) -> npt.NDArray[np.uint8]:
        """Resample the crop: uint8 [h,w] or [h,w,3]."""
        pixels = np.asarray(image.resize(self.size, resample, box=self.box))
        return pixels[:, ::-1] if self.mirrored else pixels

    def cut_mask(self, mask: BoolMask) -> BoolMask:
        """Resample a mask to the nearest pixel: bool [h,w]."""
        return self.cut(Image.fromarray(mask.view(np.uint8)), Image.Resampling.NEAREST) > 0


def draw_crop(photo: Photo, config: ExampleConfig, rng: np.random.Generator) -> Crop:
    """Draw a crop: the photo zoomed, and what of it fits into SxS."""
    scale = config.image_size / max(photo.width, photo.height) * rng.uniform(*config.zoom)
    width = min(config.image_size, int(photo.width * scale))
    height = min(config.image_size, int(photo.height * scale))
    left = rng.uniform(0, photo.width - width / scale)
    top = rng.uniform(0, photo.height - height / scale)
    right, bottom = min(photo.width, left + width / scale), min(photo.height, top + height / scale)
    return Crop((left, top, right, bottom), (width, height), bool(rng.random() < 0.5))


def cut_example(photo: Photo, config: ExampleConfig, rng: np.random.Generator) -> Example | None:
    """Cut one example out of a photo; None if the crop holds no mask of a fair size."""
    crop = draw_crop(photo, config, rng)
    found = list(_visible_masks(photo, crop, config, rng))
    if not found:
        return None
    chosen = [found[index % len(found)] for index in range(config.masks)]
    prompts = [first_prompt(mask, config, rng) for mask, _ in chosen]
    image = _jitter(crop.cut(photo.read(), Image.Resampling.BILINEAR), config, rng)
    return Example(
        torch.from_numpy(_pad(image, config.image_size).transpose(2, 0, 1).copy()),
        torch.tensor(image.shape[:2], dtype=torch.int32),
        _stack([mask for mask, _ in chosen], config.image_size),
        _stack([counted for _, counted in chosen], config.image_size),
        torch.from_numpy(np.stack([coords for coords, _ in prompts])),
        torch.from_numpy(np.stack([labels for _, labels in prompts])),
    )


def first_prompt(
    mask: BoolMask, config: ExampleConfig, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Draw a box, or a click and SAM's pad point: coords float32 [2,2] and labels float32 [2]."""
    if rng.random() < config.box_share:
        box = noisy_box(mask, rng.uniform(0, config.box_noise), rng)
        return box.reshape(2, 2), np.array([BOX_TOP_LEFT, BOX_BOTTOM_RIGHT], np.float32)
    centred = rng.random() < config.centre_share
    click = centre_click(mask) if centred else random_click(mask, rng)
    return np.array([click, (0, 0)], np.float32), np.array([FOREGROUND, PAD_POINT], np.float32)


def _visible_masks(
    photo: Photo, crop: Crop, config: ExampleConfig, rng: np.random.Generator
) -> Iterator[tuple[BoolMask, BoolMask]]:
    """Yield up to `config.masks` masks of a fair size in the crop, with what counts."""
    smallest, largest = (share * config.image_size**2 for share in config.area)
    found = 0
    for index in rng.permutation(len(photo.annotations))[: 2 * config.masks]:
        annotation = photo.annotations[index]
        mask = crop.cut_mask(annotation.mask())
        if smallest <= mask.sum() <= min(largest, config.area[1] * mask.size):
            found += 1
            yield mask, ~crop.cut_mask(annotation.ignored())
        if found == config.masks:
            return


def _jitter(image: RgbImage, config: ExampleConfig, rng: np.random.Generator) -> RgbImage:
    contrast = rng.uniform(*config.contrast)
    brightness = rng.uniform(-config.brightness, config.brightness)
    return (image * np.float32(contrast) + np.float32(brightness)).clip(0, 255).astype(np.uint8)


def _pad(pixels: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    padded = np.zeros((side, side, *pixels.shape[2:]), np.uint8)
    padded[: pixels.shape[0], : pixels.shape[1]] = pixels
    return padded


def _stack(masks: Sequence[BoolMask], side: int) -> Tensor:
    return torch.from_numpy(np.stack([_pad(mask.astype(np.uint8), side) for mask in masks]))


class Examples(IterableDataset[Example]):
    """An endless stream of examples, photos drawn by the weight of their source."""

    def __init__(self, photos: Sequence[Photo], config: ExampleConfig, seed: int) -> None:
        """Draw from `photos`."""
        self._photos = photos
        self._config = config
        self._seed = seed
        weights = np.array([config.source_weights.get(photo.source, 1.0) for photo in photos])
        self._chances = weights / weights.sum()

    def __iter__(self) -> Iterator[Example]:
        """Draw for ever; each worker has its own sequence."""
        worker = get_worker_info()
        rng = np.random.default_rng([self._seed, worker.id if worker else 0])
        while True:
            photo = self._photos[int(rng.choice(len(self._photos), p=self._chances))]
            example = cut_example(photo, self._config, rng)
            if example is not None:
                yield example


def stream_batches(photos: Sequence[Photo], config: ExampleConfig, batch: int, seed: int) -> Iterator[Example]:
    """Yield collated batches for ever, cut by one background process."""
    loader = DataLoader(Examples(photos, config, seed), batch_size=batch, num_workers=1, prefetch_factor=4)
    return iter(loader)
