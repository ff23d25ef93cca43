"""lite0 as it is served, on the photos of docs/photos, with the gateway's own way there and back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from maskforge.compiled_graph import CompiledGraph
from maskgate.adapters.pillow import PillowImageDecoder
from maskgate.domain.frame import Frame
from maskgate.domain.image import ImageLimits
from maskgate.domain.mask import DecodedMasks, Mask
from maskgate.domain.prompt import MaskSelection, Multimask, Point, Prompt, PromptSlots
from tests.e2e import photos
from tests.fakes import inline

if TYPE_CHECKING:
    import numpy.typing as npt

REPOSITORY = Path("model_repository")
PHOTOS = ("bus", "cat", "pizza")
LIMITS = ImageLimits(max_bytes=10**8, max_pixels=10**8, max_side=10**5)


@dataclass(frozen=True)
class Scene:
    """A photo's embedding fp16 [1, C, E, E], where it lies in the model's square, and prompts in it."""

    embedding: npt.NDArray[np.float16]
    frame: Frame
    prompts: tuple[Prompt, ...]

    def decode(
        self,
        prompt: Prompt,
        *,
        embedding: npt.NDArray[np.float16] | None = None,
        mask: npt.NDArray[np.float16] | None = None,
    ) -> DecodedMasks:
        """What the model answers to `auto`, perhaps from another embedding or starting from a mask."""
        decoder = _graph("lite0_decoder")
        side = decoder.input_shape("mask_input")[-1]
        slots = PromptSlots.fill(prompt, frame=self.frame, slots=8, mask=mask)
        best = prompt.select(Multimask.AUTO) is MaskSelection.BEST
        answer = decoder(
            {
                "image_embeddings": self.embedding if embedding is None else embedding,
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
    encoder, truth = _graph("lite0_encoder"), photos.truth(name)
    image = await PillowImageDecoder(limits=LIMITS, offload=inline).prepare(
        (photos.FOLDER / f"{name}.jpg").read_bytes(), side=encoder.input_shape("image")[-1]
    )
    valid_hw = np.array([[image.valid.height, image.valid.width]], np.int32)
    embedding = encoder({"image": image.pixels[None], "valid_hw": valid_hw})["image_embeddings"]
    xs, ys = (np.linspace(*ends, 5)[1:-1] for ends in ((truth.box.x1, truth.box.x2), (truth.box.y1, truth.box.y2)))
    clicks = (Prompt((Point(float(x), float(y)),)) for x in xs for y in ys)
    frame = Frame(image.original, encoder.input_shape("image")[-1])
    return Scene(embedding, frame, (Prompt(box=truth.box), *clicks))


def iou(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> float:
    """1 for two empty masks."""
    either = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / either if either else 1.0
