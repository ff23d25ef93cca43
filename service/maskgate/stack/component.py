"""What the stack knows of a program that it runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """How to start a program, how to see that it is ready, and how long it may take."""

    name: str
    command: tuple[str, ...]
    is_ready: Callable[[], bool]
    """Asks once and returns soon; false while the program is still starting."""
    where: str
    """Where it listens, for people."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """What it needs on top of the stack's own environment."""
    ready_seconds: float
    stop_seconds: float
    """From SIGTERM to SIGKILL."""
    take_stock: Callable[[], Iterable[str]] = tuple
    """Called once it is ready: what does not work in spite of that, a line each for a person."""
    mend: Callable[[], Iterable[str]] = tuple
    """Called again and again while it is supervised: mends what can be mended inside of it, and says so."""
