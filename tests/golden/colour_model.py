"""A model that both sides can run: to it an object is what has nearly the colour of the point, in three degrees.

So the reference's generator and ours see the same logits, and everything after the decoder can be compared exactly.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from maskgate.domain.mask import DecodedMasks
from maskgate.domain.prompt import MaskSelection
from tests.fakes import SPEC, FakeBackend
from tests.fakes import Decode as Asked
from tests.golden import reference

if TYPE_CHECKING:
    from maskgate.domain.image import EncoderImage
    from maskgate.domain.model import ModelSpec

SIDE = 128
CELLS = SIDE // 2
COLOUR_SPEC = replace(SPEC, input_size=SIDE, embedding_shape=(3, CELLS, CELLS), mask_size=CELLS, max_prompts=16)
RADII = np.array([12.0, 30.0, 70.0], np.float32)[:, None, None]
NEARNESS = 0.3
STEEPNESS = 0.4
HIGHEST = 20.0

Floats = npt.NDArray[np.float32]


def embed(pixels: Floats) -> Floats:
    """Mean colours of 2 x 2 pixels, [3,E,E]; exact in fp16."""
    return pixels.reshape(3, CELLS, 2, CELLS, 2).mean(axis=(2, 4)).astype(np.float16).astype(np.float32)


def decode(embedding: Floats, point: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float16], Floats]:
    """Logits fp16 [3,M,M] and predicted IoU float32 [3] of a point (x, y) in the square."""
    column, row = np.clip(point / 2, 0, CELLS - 1).astype(int)
    y, x = np.mgrid[0:CELLS, 0:CELLS]
    unlike = np.abs(embedding - embedding[:, row, column, None, None]).mean(axis=0)
    away = np.abs(x - column) + np.abs(y - row)
    logits = STEEPNESS * (RADII - unlike - NEARNESS * away)
    noise = np.modf(np.abs(np.sin(point[0] * 12.9898 + point[1] * 78.233 + np.arange(3)) * 43758.5453))[0]
    return logits.clip(-HIGHEST, HIGHEST).astype(np.float16), (0.8 + 0.2 * noise).astype(np.float32)


class ColourBackend(FakeBackend):
    """Runs it behind the port."""

    def __init__(self) -> None:
        super().__init__(COLOUR_SPEC)

    async def encode(self, spec: ModelSpec, image: EncoderImage) -> bytes:
        assert spec == COLOUR_SPEC
        self.encodes += 1
        return embed(image.pixels.astype(np.float32)).astype(np.float16).tobytes()

    async def _masks(self, spec: ModelSpec, asked: Asked) -> DecodedMasks:
        assert asked.selection is MaskSelection.ALL
        self.decodes.append(asked)
        await self.gate.wait()
        if self.decode_error is not None:
            raise self.decode_error
        embedding = np.frombuffer(asked.embedding, np.float16).reshape(spec.embedding_shape).astype(np.float32)
        logits, ious = decode(embedding, asked.slots.coords[0])
        return DecodedMasks(logits, ious, (1, 2, 3))


class _Encoder(nn.Module):
    img_size = SIDE

    def forward(self, image: Tensor) -> Tensor:
        return torch.from_numpy(embed(image[0].numpy()))[None]


class _Prompts(nn.Module):
    def forward(self, *, points: tuple[Tensor, Tensor], boxes: None, masks: None) -> tuple[Tensor, None]:
        assert boxes is masks is None
        return points[0].float(), None

    def get_dense_pe(self) -> None:
        return None


class _Decoder(nn.Module):
    def forward(
        self, *, image_embeddings: Tensor, sparse_prompt_embeddings: Tensor, **_rest: object
    ) -> tuple[Tensor, Tensor]:
        points = sparse_prompt_embeddings[:, 0].numpy()
        found = [decode(image_embeddings[0].numpy(), point) for point in points]
        logits = np.stack([logits for logits, _ in found]).astype(np.float32)
        return torch.from_numpy(logits), torch.from_numpy(np.stack([ious for _, ious in found]))


def colour_sam() -> nn.Module:
    """The same behind the reference's interface."""
    sam = reference.modeling().Sam(_Encoder(), _Prompts(), _Decoder(), pixel_mean=[0.0] * 3, pixel_std=[1.0] * 3)
    return sam.eval()
