"""Which names there are: those of the training set's categories, in plain words."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from maskforge.annotations import Annotation, Photo

FEWEST_MASKS: Final = 10
"""Of fewer nothing can be learnt that holds for other photos."""
SYNONYMS: Final[Mapping[str, str]] = {"person with clothes": "person", "land (unpaved)": "unpaved land"}
LEFT_OUT: Final = frozenset({"accessories", "other", "light", "paper"})
"""Categories that are no kind of thing, but a rest."""


@dataclass(frozen=True, slots=True, order=True)
class Label:
    """A name for masks.

    Attributes:
        name: In plain words, singular or as the data has it.
        kind: `object`, `part` or `stuff`.
        whole: For a part, the name of what it is a part of.
    """

    name: str
    kind: str
    whole: str = ""


KINDS: Final[Mapping[str, str]] = {"instance": "object", "component": "stuff", "region": "stuff", "stuff": "stuff"}


def label_of(annotation: Annotation) -> Label | None:
    """Return the label of a mask, None for one without a usable name.

    Breeds are cats and dogs, and COCO's merged kinds of stuff are what they are merged to. Parts, in the training set,
    are all of persons: clothes, hair, skin.
    """
    name = plain_name(annotation.category)
    if not name or name in LEFT_OUT:
        return None
    if annotation.kind == "part":
        return Label(name, "part", "person")
    return Label(name, KINDS[annotation.kind])


def plain_name(category: str) -> str:
    """Write a category's name in plain words."""
    if category in SYNONYMS:
        return SYNONYMS[category]
    return re.sub(r"(-other)?(-merged)?(-stuff)?$", "", category.partition(":")[0]).strip()


def learnable(photos: Iterable[Photo]) -> tuple[Label, ...]:
    """Return the labels that enough masks have, sorted."""
    counts = Counter(label_of(annotation) for photo in photos for annotation in photo.annotations)
    return tuple(sorted(label for label, count in counts.items() if label and count >= FEWEST_MASKS))


def index_of(labels: Sequence[Label]) -> dict[str, int]:
    """Return each label's place by its name and kind."""
    return {_key(label): index for index, label in enumerate(labels)}


def place(annotation: Annotation, places: Mapping[str, int]) -> int | None:
    """Return the place of a mask's label, None where it is not among them."""
    label = label_of(annotation)
    return None if label is None else places.get(_key(label))


def _key(label: Label) -> str:
    return f"{label.kind}/{label.name}"
