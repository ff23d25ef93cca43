"""Makes the batch of a step: a pure function of the seed and the step's number, so that a resumed run sees the same."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from maskforge.annotations import BoolMask
from maskforge.training.crops import Piece
from maskforge.training.prompts import first_prompt
from maskforge.training.recipe import ExampleConfig, Phase, Recipe
from maskforge.training.scenes import Scene, SceneMaker

BATCHES_AHEAD = 3
PITCH = 2
"""Pixels of the frame to one of the logits, along a side: the embedding has a stride of 8, and is upscaled by 4."""


class Batch(NamedTuple):
    """B images with K masks each, and a first prompt for each mask.

    Attributes:
        images: uint8 [B,3,S,S], RGB, padded right and bottom with zeros.
        valid_hw: int32 [B,2].
        masks: float32 [B,K,M,M], M = S/PITCH: the share of the mask in each pixel of the logits.
        counted: bool [B,K,M,M], False where a pixel does not count; padding does count, as background.
        coords: float32 [B,K,2,2], XY pixels of the S frame.
        labels: float32 [B,K,2].
    """

    images: Tensor
    valid_hw: Tensor
    masks: Tensor
    counted: Tensor
    coords: Tensor
    labels: Tensor


class Steps(Dataset[Batch]):
    """The batches of a run by the number of the step."""

    def __init__(self, scenes: SceneMaker, recipe: Recipe) -> None:
        """Make batches by the recipe."""
        self._scenes = scenes
        self._recipe = recipe

    def __getitem__(self, step: int) -> Batch:
        """Make one."""
        rng = np.random.default_rng([self._recipe.seed, step])
        phase = self._recipe.phase_at(step).phase
        scenes = [self._scenes.draw(phase, rng) for _ in range(phase.images)]
        return collate([make_example(scene, phase, self._recipe.examples, rng) for scene in scenes])


def stream(steps: Steps, first: int, last: int) -> Iterator[Batch]:
    """Yield the batches of steps `first` to `last` - 1, made ahead by one background process."""
    loader = DataLoader(
        steps, batch_size=None, sampler=range(first, last), num_workers=1, prefetch_factor=BATCHES_AHEAD
    )
    return iter(loader)


def make_example(scene: Scene, phase: Phase, config: ExampleConfig, rng: np.random.Generator) -> Batch:
    """Choose K masks of a scene and prompt for them: a batch of one, without its first axis."""
    order = rng.permutation(len(scene.pieces))
    chosen = [scene.pieces[order[index % len(order)]] for index in range(phase.masks)]
    prompts = [first_prompt(piece.mask, config, rng) for piece in chosen]
    side = phase.image_size
    return Batch(
        torch.from_numpy(pad(scene.image, side).transpose(2, 0, 1).copy()),
        torch.tensor(scene.image.shape[:2], dtype=torch.int32),
        torch.from_numpy(np.stack([shrink(piece.mask, side) for piece in chosen])),
        torch.from_numpy(np.stack([_shrink_counted(piece, side) for piece in chosen])),
        torch.from_numpy(np.stack([coords for coords, _ in prompts])),
        torch.from_numpy(np.stack([labels for _, labels in prompts])),
    )


def collate(examples: Sequence[Batch]) -> Batch:
    """Stack examples to a batch."""
    return Batch(*(torch.stack(tensors) for tensors in zip(*examples, strict=True)))


def shrink(mask: BoolMask, side: int) -> npt.NDArray[np.float32]:
    """Pad a mask to the frame and average it over PITCH x PITCH pixels: float32 [M,M]."""
    padded = pad(mask.view(np.uint8), side).astype(np.float32)
    shrunk = cv2.resize(padded, (side // PITCH, side // PITCH), interpolation=cv2.INTER_AREA)
    return shrunk.astype(np.float32, copy=False)


def _shrink_counted(piece: Piece, side: int) -> BoolMask:
    if piece.counted is None:
        return np.ones((side // PITCH, side // PITCH), np.bool_)
    return shrink(~piece.counted, side) <= 0.5


def pad(pixels: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    """Pad right and bottom with zeros to the frame."""
    padded = np.zeros((side, side, *pixels.shape[2:]), np.uint8)
    padded[: pixels.shape[0], : pixels.shape[1]] = pixels
    return padded
