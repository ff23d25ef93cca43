"""Where computations go that would block the event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_T = TypeVar("_T")


class Offload(Protocol):
    """Runs a computation beside the event loop, on a bounded number of threads."""

    def __call__(self, compute: Callable[[], _T], /) -> Awaitable[_T]:
        """Run it and return its result."""
        ...
