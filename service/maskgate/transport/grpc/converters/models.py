"""Models as messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskgate.transport.grpc._pb import models_pb2 as pb

if TYPE_CHECKING:
    from maskgate.domain.model import ServedModel


def from_model(model: ServedModel) -> pb.Model:
    """Write a model, with what is known of it while it answers."""
    spec = model.spec
    if spec is None:
        return pb.Model(name=model.name, is_default=model.is_default, ready=False)
    return pb.Model(
        name=model.name,
        is_default=model.is_default,
        ready=True,
        weights_digest=spec.weights_digest,
        precision=spec.precision,
        preprocessing=spec.preprocessing,
        input_size=spec.input_size,
        embedding_shape=spec.embedding_shape,
        mask_size=spec.mask_size,
        mask_tokens=spec.mask_tokens,
        max_points=spec.max_points,
    )
