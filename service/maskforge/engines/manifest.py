"""What a plan was made of and for: `plan.json`, beside `config.pbtxt`.

A plan loads only where TensorRT's version and the GPU model are those that it was built with. TensorRT says so late
and obscurely, or, on another GPU of the same compute capability, not at all; the manifest says so first.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from maskforge.engines.devices import Gpu
from maskforge.engines.files import digest, write_text
from maskforge.engines.profiles import Shapes, as_json, from_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MANIFEST_FILE: Final = "plan.json"


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides what a plan is, but for how hard the builder tried.

    Attributes:
        onnx: The graph's digest.
        profile: The shapes that it is built for.
        tensorrt: TensorRT's version.
        gpu: The GPU model.
    """

    onnx: str
    profile: Mapping[str, Shapes]
    tensorrt: str
    gpu: Gpu


@dataclass(frozen=True, slots=True)
class Manifest:
    """A published plan.

    Attributes:
        model: The Triton model.
        plan: The plan's digest.
        recipe: What it was built from and for.
        precision: The graph's.
        optimization_level: How hard the builder tried.
        mask_iou: The least IoU of its masks with those of the fp32 reference.
        built_at: When, ISO 8601 in UTC.
        build_seconds: How long it took.
    """

    model: str
    plan: str
    recipe: Recipe
    precision: str
    optimization_level: int
    mask_iou: float
    built_at: str
    build_seconds: float


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write a model folder's manifest at once."""
    document = asdict(manifest)
    document["recipe"]["profile"] = as_json(manifest.recipe.profile)
    write_text(folder / MANIFEST_FILE, json.dumps(document, indent=2) + "\n")


def read_manifest(folder: Path) -> Manifest | None:
    """Read a model folder's manifest; None if there is none that this version can read."""
    try:
        return _manifest(json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _manifest(document: dict[str, Any]) -> Manifest:
    recipe = document.pop("recipe")
    profile, gpu = from_json(recipe.pop("profile")), Gpu(**recipe.pop("gpu"))
    return Manifest(recipe=Recipe(profile=profile, gpu=gpu, **recipe), **document)


def objections(manifest: Manifest | None, recipe: Recipe, plan: Path) -> Iterator[str]:
    """Say why a plan is not the one that a recipe asks for, a phrase each; nothing if it is."""
    if manifest is None:
        yield f"there is no {MANIFEST_FILE} that tells what it is"
        return
    yield from _differences(manifest.recipe, recipe)
    if not plan.exists():
        yield "there is none"
    elif manifest.plan != digest(plan):
        yield "its bytes are not those that were checked"


def _differences(built: Recipe, wanted: Recipe) -> Iterator[str]:
    if built.gpu != wanted.gpu:
        yield f"it was built on {built.gpu}, and this is {wanted.gpu}"
    if built.tensorrt != wanted.tensorrt:
        yield f"it was built by TensorRT {built.tensorrt}, and this is {wanted.tensorrt}"
    if built.onnx != wanted.onnx:
        yield "it was built from another graph"
    if built.profile != wanted.profile:
        yield "it was built for other shapes"
