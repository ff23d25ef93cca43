"""What is known of models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maskgate.domain.model import ServedModel


class Model(BaseModel):
    """A model that is served; what is null is not known, because it does not answer at present."""

    name: str = Field(description="Its name, as calls give it.")
    is_default: bool = Field(description="Whether it is the one that calls without a name mean.")
    ready: bool = Field(description="Whether it could be described: Triton answers and serves it.")
    weights_digest: str | None = Field(description="'sha256:' and the SHA-256 of its weights in hexadecimal.")
    precision: str | None = Field(description="The precision that its graphs were built for, such as 'bf16'.")
    preprocessing: str | None = Field(description="Name and version of its preprocessing.")
    input_size: int | None = Field(description="Side of the square that images are fitted into, in pixels.")
    embedding_shape: tuple[int, int, int] | None = Field(description="Channels, height and width of an embedding.")
    mask_size: int | None = Field(description="Side of the square of low-resolution logits.")
    mask_tokens: int | None = Field(description="Masks that the decoder makes of a prompt, the single one included.")
    max_points: int | None = Field(description="Most points of a prompt without a box; beside a box one fewer.")

    @classmethod
    def of(cls, model: ServedModel) -> Model:
        """Write a model."""
        known = {name: getattr(model.spec, name, None) for name in _SPEC_FIELDS}
        return cls(name=model.name, is_default=model.is_default, ready=model.spec is not None, **known)


_SPEC_FIELDS = tuple(Model.model_fields)[3:]
"""Those that are named as in a spec."""


class ListModelsResponse(BaseModel):
    """All models."""

    models: list[Model] = Field(description="The default one first.")

    @classmethod
    def of(cls, models: Iterable[ServedModel]) -> ListModelsResponse:
        """Write models."""
        return cls(models=[Model.of(model) for model in models])
