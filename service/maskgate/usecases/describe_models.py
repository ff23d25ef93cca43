"""Tell what is served."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from maskgate.domain.errors import InferenceFailed, Overloaded, Unavailable
from maskgate.domain.model import ServedModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskgate.domain.model import ModelSpec
    from maskgate.ports import InferenceBackend


class GetModel:
    """Describe one model."""

    def __init__(self, *, backend: InferenceBackend, default_model: str) -> None:
        self._backend = backend
        self._default_model = default_model

    async def __call__(self, name: str = "") -> ServedModel:
        """Describe a model, or the default one; without its spec while it does not answer.

        Raises:
            ModelNotFound: There is no such model.
        """
        name = name or self._default_model
        return ServedModel(name, name == self._default_model, await self._spec(name))

    async def _spec(self, name: str) -> ModelSpec | None:
        try:
            return await self._backend.spec(name)
        except (Unavailable, Overloaded, InferenceFailed):
            return None


class ListModels:
    """Describe all models."""

    def __init__(self, *, get_model: GetModel, models: Sequence[str]) -> None:
        self._get_model = get_model
        self._models = models

    async def __call__(self) -> list[ServedModel]:
        """Describe the models, the default one first; those that do not answer have no spec."""
        return await asyncio.gather(*map(self._get_model, self._models))
