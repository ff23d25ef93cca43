"""The encoders that are compared: the reference's `set_image`, the running service, and OpenVINO called directly."""

from __future__ import annotations

import itertools
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from benchmarks.backend import backend, config_of
from benchmarks.reference import as_jpeg, draw_photo, predictor, seeded_reference
from maskforge.export.triton_config import triton_models
from maskforge.sam.config import SamConfig
from maskgate.domain.image import ImageSize
from maskgate.domain.prompt import Point, Prompt
from maskgate.domain.timing import CacheTier

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.reference import Photo
    from maskforge.sam.image_encoder import VitConfig
    from maskgate.client import Client

CONFIG: Final = SamConfig()
CENTRE: Final = Prompt((Point(512, 384),))
PHOTO: Final = ImageSize(width=CONFIG.image_size, height=768)
"""As large as the model's square, so that no contender has anything to resize."""


class ReferenceEncoder:
    """`SamPredictor.set_image` in torch."""

    def __init__(self, vit: VitConfig, photo: Photo) -> None:
        """Make the model; every call encodes the same photo anew."""
        self._predictor = predictor(seeded_reference(vit))
        self._photo = photo

    def in_fp32(self) -> None:
        """Encode as the reference does by itself."""
        self._encode(nullcontext())

    def in_bf16(self) -> None:
        """Encode under torch's autocast, which the reference leaves to its user."""
        self._encode(torch.autocast("cpu", torch.bfloat16))

    def embedding(self) -> torch.Tensor:
        """Return the last call's, float [1,C,E,E]."""
        features: torch.Tensor = self._predictor.get_image_embedding()
        return features.float()

    def _encode(self, precision: Any) -> None:  # noqa: ANN401 - torch's and the standard library's contexts
        with precision:
            self._predictor.set_image(self._photo)


class DirectEncoder:
    """Our graph on OpenVINO in this process, by the backend's own code."""

    def __init__(self, name: str, repository: Path, photo: Photo) -> None:
        """Compile the graph of a built model, and prepare the photo."""
        encoder, _, _ = triton_models(name, CONFIG, {})
        onnx = repository / encoder.name / "1" / "model.onnx"
        self._network = backend().networks.load_network(onnx, config_of(encoder))
        pixels = np.zeros((1, 3, CONFIG.image_size, CONFIG.image_size), np.uint8)
        pixels[0, :, : photo.shape[0], : photo.shape[1]] = photo.transpose(2, 0, 1)
        self._inputs = {"image": pixels, "valid_hw": np.array([photo.shape[:2]], np.int32)}

    def encode(self) -> torch.Tensor:
        """Return the photo's embedding, float16 [1,C,E,E]."""
        answer = self._network.infer(self._inputs, wanted=("image_embeddings",))
        return torch.from_numpy(answer["image_embeddings"])


class ServedEncoder:
    """The whole way of a client with a new photo: upload it, and click on it once.

    Attributes:
        encodes: Seconds of every call that the gateway waited for Triton's encoder.
        decodes: The same of the decoder.
    """

    def __init__(self, client: Client) -> None:
        """Talk to a gateway that has seen none of the photos yet."""
        self.encodes: list[float] = []
        self.decodes: list[float] = []
        self._client = client
        self._jpegs = map(_jpeg, itertools.count(1))
        self._next = next(self._jpegs)

    def encode(self) -> None:
        """Upload a photo that the service has not seen yet, and wait for its first mask.

        Raises:
            RuntimeError: It answers from its cache.
        """
        timing = self._client.image(self._next).segment(prompt=CENTRE).timing
        if timing.cache_tier is not CacheTier.MISS:
            raise RuntimeError("the service answered from its cache")
        self.encodes.append(timing.encode)
        self.decodes.append(timing.decode)

    def draw_next(self) -> None:
        """Draw another photo, outside of what is timed."""
        self._next = next(self._jpegs)


def draw_photo_of(seed: int) -> Photo:
    """Draw a photo of the size that all contenders get."""
    return draw_photo(PHOTO.height, PHOTO.width, seed)


def _jpeg(seed: int) -> bytes:
    return as_jpeg(draw_photo_of(seed))


def cosine(one: torch.Tensor, other: torch.Tensor) -> float:
    """Return the cosine of two embeddings as vectors."""
    return float(torch.nn.functional.cosine_similarity(one.double().flatten(), other.double().flatten(), dim=0))
