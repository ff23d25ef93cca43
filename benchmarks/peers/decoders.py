"""What the peers serve: the reference's predictor, or the official ONNX decoder, with the embeddings of known images.

Each process of a server has one of these. It finds all embeddings ready, as if every image had been seen before.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import torch
from pycocotools import mask as coco

from benchmarks.decoders import OfficialDecoder, ReferenceDecoder, Scene
from benchmarks.encoders import PHOTO
from benchmarks.service import calm_reference
from maskgate.domain.prompt import Point

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.decoders import Bools

ORDER: Final = "MASKGATE_PEER"
EMBEDDINGS, OFFICIAL = "embeddings.npy", "official.onnx"
REFERENCE_PEER, ONNX_PEER = "reference", "onnx"
Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Order:
    """What a server is to be; its processes find it in their environment.

    Attributes:
        decoder: REFERENCE_PEER or ONNX_PEER.
        workers: Processes that decode; they share the cores.
        folder: Where EMBEDDINGS and OFFICIAL are.
    """

    decoder: str
    workers: int
    folder: str

    def environment(self) -> dict[str, str]:
        """Write it down."""
        return {ORDER: json.dumps(asdict(self))}

    @classmethod
    def from_environment(cls) -> Order:
        """Read it."""
        return cls(**json.loads(os.environ[ORDER]))

    @property
    def threads(self) -> int:
        """Of each process."""
        return max(len(os.sched_getaffinity(0)) // self.workers, 1)

    def open_decoder(self) -> Decoder:
        """Load the model, with the embeddings of all images."""
        torch.set_num_threads(self.threads)
        scenes = [Scene(PHOTO, embedding) for embedding in np.load(Path(self.folder, EMBEDDINGS))]
        if self.decoder == REFERENCE_PEER:
            return Predictor(scenes)
        return OnnxDecoder(scenes, OfficialDecoder(Path(self.folder, OFFICIAL), threads=self.threads))


@dataclass(frozen=True, slots=True)
class Ask:
    """A click on an image, by its number."""

    image: int
    x: float
    y: float


class Decoder(Protocol):
    """Decodes one click.

    Batches were tried, and made every peer slower (LitServe's predictor by a third, BentoML's by half): the official
    graph takes one prompt a call, the predictor a batch of one image, and a batch saves a CPU nothing.
    """

    def decode(self, ask: Ask) -> Answer:
        """Return one mask."""


class Predictor:
    """`SamPredictor` with an embedding cache."""

    def __init__(self, scenes: Sequence[Scene]) -> None:
        reference = calm_reference()
        self._images = [ReferenceDecoder(reference, scene) for scene in scenes]

    def decode(self, ask: Ask) -> Answer:
        """See Decoder."""
        return answer_of(self._images[ask.image].decode(Point(ask.x, ask.y)))


class OnnxDecoder:
    """The official ONNX decoder with an embedding cache."""

    def __init__(self, scenes: Sequence[Scene], official: OfficialDecoder) -> None:
        self._official = official
        self._images = [(scene, official.prepare(scene)) for scene in scenes]

    def decode(self, ask: Ask) -> Answer:
        """See Decoder."""
        scene, prepared = self._images[ask.image]
        mask, _ = self._official.decode(prepared, scene, Point(ask.x, ask.y))
        return answer_of(mask)


def answer_of(mask: Bools) -> Answer:
    """Write a mask [H,W] as COCO's runs: a hundredth of a PNG in base64, and what the service answers with too."""
    rle = coco.encode(np.asfortranarray(mask))
    return {"size": rle["size"], "counts": rle["counts"].decode()}
