"""What is told of models, over both protocols."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from maskgate.domain.errors import BackendUnavailable, InferenceFailed, Overloaded
from tests.fakes import SPEC, FakeBackend
from tests.unit.transport.world import World

if TYPE_CHECKING:
    from tests.unit.transport.resources import Resources

LARGE = replace(SPEC, name="large", input_size=1024, embedding_shape=(256, 64, 64), weights_digest="sha256:" + "1" * 64)
KNOWN = {"weights_digest", "precision", "preprocessing", "input_size", "embedding_shape", "mask_size", "mask_tokens"}


@pytest.fixture
def world() -> World:
    return World(backend=FakeBackend(SPEC, LARGE), models=(SPEC.name, LARGE.name))


def described(spec: Any, *, is_default: bool) -> dict[str, Any]:  # noqa: ANN401 - a spec, read by its fields' names
    known = {name: getattr(spec, name) for name in KNOWN} | {"embedding_shape": list(spec.embedding_shape)}
    return {"name": spec.name, "is_default": is_default, "ready": True, "max_points": spec.slot_buckets[-1] - 1} | known


async def test_models_are_listed(resources: Resources) -> None:
    """All models are described by what clients have to know of them, the default one first."""
    answer = await resources.list_models()

    assert [described(SPEC, is_default=True), described(LARGE, is_default=False)] == answer.payload["models"]


async def test_one_model(resources: Resources) -> None:
    """A model is described as in the list."""
    answer = await resources.get_model("large")

    assert described(LARGE, is_default=False) == answer.payload


async def test_unknown_models(resources: Resources) -> None:
    """A model that is not served is not found."""
    answer = await resources.get_model("huge")

    assert ("NOT_FOUND", "MODEL_NOT_FOUND") == answer.refusal


@pytest.mark.parametrize("error", [BackendUnavailable("Away."), InferenceFailed("Broken."), Overloaded("Busy.")])
async def test_a_model_that_does_not_answer(world: World, resources: Resources, error: Exception) -> None:
    """It is named and not ready; the other models are described."""
    world.backend.spec_errors[SPEC.name] = error

    listed, alone = await resources.list_models(), await resources.get_model(SPEC.name)

    unknown = {"name": SPEC.name, "is_default": True, "ready": False} | dict.fromkeys(KNOWN | {"max_points"})
    assert [unknown, described(LARGE, is_default=False)] == listed.payload["models"]
    assert unknown == alone.payload
