"""Long computations beside the event loop, a step at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from maskgate.domain.steps import Steps
    from maskgate.ports import Offload

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _End(Generic[_T]):
    result: _T


async def in_steps(offload: Offload, steps: Steps[_T]) -> _T:
    """Take all steps and return the result. Others get their turn between two steps, and so does a cancellation."""
    while (end := await offload(partial(_next, steps))) is None:
        pass
    return end.result


def _next(steps: Steps[_T]) -> _End[_T] | None:
    try:
        next(steps)
    except StopIteration as end:
        return _End(end.value)
    return None
