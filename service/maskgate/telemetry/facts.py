"""What is found out deep inside about a call, for its line in the log and its span."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_facts: ContextVar[dict[str, str] | None] = ContextVar("maskgate_facts", default=None)


@contextmanager
def collected() -> Iterator[dict[str, str]]:
    """Surround a call, the tasks that it starts included."""
    facts: dict[str, str] = {}
    token = _facts.set(facts)
    try:
        yield facts
    finally:
        with suppress(ValueError):  # closed by another task, whose context is another one
            _facts.reset(token)


def note_cache(tier: str) -> None:
    """Note where an embedding was found: the farthest tier that the call has needed, `miss` beyond all."""
    facts = _facts.get()
    if facts is not None:
        facts["cache"] = max(facts.get("cache", tier), tier, key=_NEAREST_FIRST.index)


_NEAREST_FIRST = ("l1", "l2", "miss")
