"""Expositions of several workers → one, as if one process had done all of it.

A line is a sample's name with its labels, and its value: workers are one program, so equal samples are written alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_TYPE: Final = "# TYPE "
_COMMENT: Final = "#"
_GAUGE: Final = "gauge"
_LEAST: Final = ("_created", "_start_time_seconds", "_component_up")
"""Gauges of which the least counts: since when, and whether all of them reach a component. Others are summed up."""


@dataclass(slots=True)
class _Family:
    """A metric: its lines of comment, how its samples add up, and what they have come to."""

    add: Callable[[Iterable[float]], float]
    comments: list[str]
    samples: dict[str, float] = field(default_factory=dict)


def merged(living: Iterable[str], ended: Iterable[str] = ()) -> str:
    """Add expositions up. Of workers that have ended, only what counts for ever: no gauges."""
    families: dict[str, _Family] = {}
    for text in living:
        _take(families, text, gauges=True)
    for text in ended:
        _take(families, text, gauges=False)
    return "".join(map(_written, families.values()))


def _take(families: dict[str, _Family], text: str, *, gauges: bool) -> None:
    comments: list[str] = []
    family: _Family | None = None
    for line in text.splitlines():
        if line.startswith(_TYPE):
            name, kind = line.removeprefix(_TYPE).split()
            family = families.setdefault(name, _Family(_rule(name), [*comments, line]))
            if kind == _GAUGE and not gauges:
                family = None
            comments = []
        elif line.startswith(_COMMENT):
            comments.append(line)
        elif family is not None:
            key, _, value = line.rpartition(" ")
            known = family.samples.get(key)
            family.samples[key] = float(value) if known is None else family.add((known, float(value)))


def _rule(name: str) -> Callable[[Iterable[float]], float]:
    return min if name.endswith(_LEAST) else sum


def _written(family: _Family) -> str:
    lines = [*family.comments, *(f"{key} {value!r}" for key, value in family.samples.items())]
    return "\n".join(lines) + "\n"
