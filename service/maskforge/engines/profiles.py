"""The shapes that a plan is built for.

A plan serves a range of each free axis and is tuned for one size within it: TensorRT's optimisation profile. It
follows from the description that `config.pbtxt` is written from, and lies beside it as `profile.json`, so that
whoever builds the plan needs to know nothing about the model. One profile a plan: the activations of a plan with
several take the memory of the largest for each of them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NamedTuple

from maskforge.errors import IncompleteModel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from maskforge.export.triton_config import TritonModel

PROFILE_FILE: Final = "profile.json"

Shape = tuple[int, ...]


class Sizes(NamedTuple):
    """An axis: the smallest and largest size that it may take, and the one to tune for."""

    min: int
    opt: int
    max: int


class Shapes(NamedTuple):
    """A whole input, the batch first; the three shapes differ in the free axes alone."""

    min: Shape
    opt: Shape
    max: Shape


def profile_of(model: TritonModel) -> dict[str, Shapes]:
    """Say for which shapes the plan of a Triton model is built, by input."""
    batch = Sizes(1, next(iter(model.preferred_batches), 1), model.max_batch)
    return {tensor.name: _shapes([batch, *tensor.axes]) for tensor in model.inputs}


def _shapes(axes: Sequence[int | Sizes]) -> Shapes:
    """Take the sizes of the free axes, and those of the others as they are."""
    ranges = [axis if isinstance(axis, Sizes) else Sizes(axis, axis, axis) for axis in axes]
    smallest, tuned, largest = zip(*ranges, strict=True)
    return Shapes(smallest, tuned, largest)


def as_json(profile: Mapping[str, Shapes]) -> dict[str, dict[str, list[int]]]:
    """Turn a profile into what JSON can hold."""
    return {name: {size: list(shape) for size, shape in shapes._asdict().items()} for name, shapes in profile.items()}


def from_json(document: Mapping[str, Mapping[str, list[int]]]) -> dict[str, Shapes]:
    """Undo `as_json`; raises KeyError, TypeError or AttributeError for anything else."""
    return {
        name: Shapes(tuple(shapes["min"]), tuple(shapes["opt"]), tuple(shapes["max"]))
        for name, shapes in document.items()
    }


def write_profile(folder: Path, model: TritonModel) -> None:
    """Write `profile.json` into a model's new folder."""
    text = json.dumps(as_json(profile_of(model)), indent=2)
    (folder / PROFILE_FILE).write_text(text + "\n", encoding="utf-8")


def read_profile(folder: Path) -> dict[str, Shapes]:
    """Read a model folder's profile.

    Raises:
        IncompleteModel: There is none, or it is none.
    """
    path = folder / PROFILE_FILE
    try:
        return from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise IncompleteModel(
            f"{path} is no profile ({error}): build the model with `maskforge build` first"
        ) from error
