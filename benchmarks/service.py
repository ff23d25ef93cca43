"""The running service, with photos that it has encoded: what clicks and prompts are timed on.

The model has ViT-B's decoder and embedding. Its encoder is cut off after the first block: no photo is encoded while
anything is timed.
"""

from __future__ import annotations

import io
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.request import ProxyHandler, build_opener

import numpy as np
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.encoders import PHOTO, draw_photo_of
from benchmarks.reference import as_jpeg, calm, predictor, seeded_reference, vit_of
from maskgate.client import Client
from maskgate.domain.prompt import Point
from maskgate.stack import EmbeddedStack, StackConfig

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import numpy.typing as npt
    from torch import nn

    from benchmarks.reference import Photo
    from maskgate.domain.image import ImageId

MODEL: Final = "vit_b"
WEIGHTS: Final = "random, calmed"
CENTRE: Final = Point(PHOTO.width / 2, PHOTO.height / 2)
PATIENCE: Final = 10.0
"""Seconds for the metrics."""


@dataclass(frozen=True, slots=True)
class Service:
    """Where a stack answers, and the photos that it knows.

    Attributes:
        grpc: `host:port`.
        http: Base URL.
        images: Their embeddings lie ready.
    """

    grpc: str
    http: str
    images: tuple[ImageId, ...]

    def decodes(self) -> Decodes:
        """Read the gateway's metrics."""
        opener = build_opener(ProxyHandler({}))
        with opener.open(f"{self.http}/metrics", timeout=PATIENCE) as answer:
            return Decodes.parse(answer.read().decode())


@dataclass(frozen=True, slots=True)
class Decodes:
    """What a gateway has sent to the decoder so far."""

    count: float
    bytes: float

    @classmethod
    def parse(cls, metrics: str) -> Decodes:
        """Read a gateway's metrics."""
        count = _total(metrics, "maskgate_inference_duration_seconds_count")
        return cls(count, _total(metrics, "maskgate_inference_sent_bytes_total"))

    def each_since(self, before: Decodes) -> float:
        """Return the bytes of a decode since then."""
        return (self.bytes - before.bytes) / (self.count - before.count)


def _total(metrics: str, name: str) -> float:
    samples = (sample for family in text_string_to_metric_families(metrics) for sample in family.samples)
    return sum(sample.value for sample in samples if sample.name == name and sample.labels["stage"] == "decode")


def calm_reference() -> nn.Module:
    """Make the reference that all contenders have their weights from."""
    return calm(seeded_reference(vit_of(MODEL, depth=1)))


def photos(count: int) -> list[bytes]:
    """Draw photos, as JPEG."""
    return [as_jpeg(draw_photo_of(number)) for number in range(count)]


def embeddings(reference: nn.Module, files: Iterable[bytes]) -> list[npt.NDArray[np.float16]]:
    """Encode photos with the reference, float16 [1,C,E,E] each."""
    encoder = predictor(reference)
    return [_embedding(encoder, np.asarray(Image.open(io.BytesIO(file)))) for file in files]


def _embedding(encoder: Any, photo: Photo) -> npt.NDArray[np.float16]:  # noqa: ANN401 - the reference has no types
    encoder.set_image(photo)
    embedding: npt.NDArray[np.float16] = encoder.features.numpy().astype(np.float16)
    return embedding


@contextmanager
def running(model: str, repository: Path, files: Iterable[bytes], *, workers: int = 1) -> Iterator[Service]:
    """Run a stack, and have it encode photos."""
    with EmbeddedStack(stack_of(model, repository, workers=workers)) as stack:
        grpc = str(stack.endpoints.grpc)
        with Client(grpc) as client:
            yield Service(grpc, str(stack.endpoints.http), tuple(_encode(client, file) for file in files))


def stack_of(model: str, repository: Path, *, workers: int = 1) -> StackConfig:
    """Describe a stack on free ports."""
    return StackConfig(
        models=(model,),
        model_repository=repository,
        grpc_port=0,
        http_port=0,
        triton_grpc_port=0,
        triton_metrics_port=0,
        workers=workers,
    )


def _encode(client: Client, file: bytes) -> ImageId:
    image = client.image(file)
    image.segment(points=[CENTRE])
    return image.id
