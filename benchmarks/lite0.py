"""lite0 as it is served, on the photos of docs/photos, with the gateway's own way there and back."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from maskforge.compiled_graph import CompiledGraph
from maskgate.adapters.pillow import PillowImageDecoder
from maskgate.domain.embedding import Embedding, EmbeddingStorage
from maskgate.domain.frame import Frame
from maskgate.domain.image import ImageLimits
from maskgate.domain.mask import DecodedMasks, Mask
from maskgate.domain.prompt import Box, MaskSelection, Multimask, Point, Prompt, PromptSlots

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

_T = TypeVar("_T")

REPOSITORY: Final = Path("model_repository")
FOLDER: Final = Path("docs", "photos")
PHOTOS: Final = ("bus", "cat", "pizza")
LIMITS: Final = ImageLimits(max_bytes=10**8, max_pixels=10**8, max_side=10**5)


@dataclass(frozen=True)
class Scene:
    """A photo's embedding fp16 [1, C, E, E], where it lies in the model's square, and prompts in it."""

    embedding: npt.NDArray[np.float16]
    frame: Frame
    prompts: tuple[Prompt, ...]

    def decode(self, prompt: Prompt, *, mask: npt.NDArray[np.float16] | None = None) -> DecodedMasks:
        """What the model answers to `auto`, perhaps starting from a mask."""
        decoder = _graph("lite0_decoder")
        side = decoder.input_shape("mask_input")[-1]
        slots = PromptSlots.fill(prompt, frame=self.frame, slots=8, mask=mask)
        best = prompt.select(Multimask.AUTO) is MaskSelection.BEST
        answer = decoder(
            {
                "image_embeddings": self.embedding,
                "point_coords": slots.coords[None, None],
                "point_labels": slots.labels[None, None],
                "mask_input": np.zeros((1, 1, side, side), np.float16) if mask is None else mask[None, None],
                "has_mask_input": np.array([[mask is not None]], np.float32),
                "select": np.array([[best]], np.float32),
            }
        )
        return DecodedMasks(answer["best_mask"][0], answer["best_iou"][0], (0,))

    def pixels(self, decoded: DecodedMasks) -> npt.NDArray[np.bool_]:
        """The mask, bool [H, W]."""
        return Mask.from_logits(decoded.logits[0], iou=0.0, frame=self.frame).runs.pixels()


@cache
def _graph(folder: str) -> CompiledGraph:
    return CompiledGraph(REPOSITORY / folder / "1" / "model.onnx")


async def scene(name: str) -> Scene:
    """Encode a photo; prompt for the object that people drew: a box, and a click on each of 3 x 3 places in it."""
    encoder, box = _graph("lite0_encoder"), _box(name)
    side = encoder.input_shape("image")[-1]
    image = await PillowImageDecoder(limits=LIMITS, offload=_inline).prepare(
        (FOLDER / f"{name}.jpg").read_bytes(), side=side
    )
    valid_hw = np.array([[image.valid.height, image.valid.width]], np.int32)
    embedding = encoder({"image": image.pixels[None], "valid_hw": valid_hw})["image_embeddings"]
    xs, ys = np.linspace(box.x1, box.x2, 5)[1:-1], np.linspace(box.y1, box.y2, 5)[1:-1]
    clicks = (Prompt((Point(float(x), float(y)),)) for x in xs for y in ys)
    return Scene(embedding, Frame(image.original, side), (Prompt(box=box), *clicks))


def _box(name: str) -> Box:
    """The box that people drew around an object of a photo."""
    x, y, width, height = json.loads((FOLDER / "truth.json").read_text(encoding="utf-8"))[name]["box"]
    return Box(x, y, x + width, y + height)


async def _inline(compute: Callable[[], _T], /) -> _T:
    return compute()


def agreement_as(seen: Scene, storage: EmbeddingStorage) -> list[float]:
    """For each prompt the IoU of the mask of the embedding and of that which comes back from a storage.

    Raises:
        ValueError: None comes back.
    """
    stored = Embedding.from_bytes(Embedding(seen.frame.original, seen.embedding.tobytes()).to_bytes(storage))
    if stored is None:
        raise ValueError("the embedding did not come back")
    near = replace(seen, embedding=np.frombuffer(stored.tensor, "<f2").reshape(seen.embedding.shape))
    return [iou(seen.pixels(seen.decode(prompt)), near.pixels(near.decode(prompt))) for prompt in seen.prompts]


def iou(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> float:
    """1 for two empty masks."""
    either = np.count_nonzero(one | other)
    return float(np.count_nonzero(one & other) / either) if either else 1.0
