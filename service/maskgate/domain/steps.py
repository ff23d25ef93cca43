"""Computations that may take long, cut into steps: whoever runs them may stop, or let others in, between two.

They are generators that yield nothing, and return their result.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeAlias, TypeVar

_T = TypeVar("_T")

Steps: TypeAlias = Generator[None, None, _T]


def at_once(steps: Steps[_T]) -> _T:
    """Take all steps, and return the result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: _T = end.value
            return result
