"""Models that a gateway serves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maskgate.transport.grpc._pb import models_pb2 as pb


@dataclass(frozen=True, slots=True)
class Model:
    """A model that is served; where it is not ready, nothing but its name is known.

    Attributes:
        name: As calls give it.
        is_default: Whether calls without a name mean it.
        ready: Whether its inference server answers and serves it.
        weights_digest: SHA-256 of its weights: "sha256:" and hexadecimal digits.
        precision: What its graphs were built for, such as "bf16".
        preprocessing: Name and version of its preprocessing.
        input_size: S, side of the square that images are fitted into, in pixels.
        embedding_shape: (C, E, E) of an embedding.
        mask_size: M, side of the square of low-resolution logits.
        mask_tokens: Masks that the decoder makes of a prompt.
        max_points: Most points of a prompt without a box; beside a box one fewer.
    """

    name: str
    is_default: bool
    ready: bool
    weights_digest: str
    precision: str
    preprocessing: str
    input_size: int
    embedding_shape: tuple[int, ...]
    mask_size: int
    mask_tokens: int
    max_points: int


def to_model(model: pb.Model) -> Model:
    """Read a model."""
    return Model(
        name=model.name,
        is_default=model.is_default,
        ready=model.ready,
        weights_digest=model.weights_digest,
        precision=model.precision,
        preprocessing=model.preprocessing,
        input_size=model.input_size,
        embedding_shape=tuple(model.embedding_shape),
        mask_size=model.mask_size,
        mask_tokens=model.mask_tokens,
        max_points=model.max_points,
    )
