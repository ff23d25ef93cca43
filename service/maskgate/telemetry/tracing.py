"""Spans as the gateway knows them, whoever keeps them; nothing here needs OpenTelemetry (telemetry/otel.py does)."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    Headers = tuple[tuple[str, str], ...]


class Served(Protocol):
    """A call of a client."""

    @property
    def trace_id(self) -> str | None:
        """The trace that it belongs to, 32 hexadecimal digits; None where that is not kept."""
        ...

    def answered(self, code: str, *, fault: bool, **facts: str) -> None:
        """Note how it ended, and whether that is our fault."""
        ...


class Tracer(Protocol):
    """Begins spans, each within the one that surrounds it. Names and attributes are ours, never a client's words."""

    def serving(self, name: str, /, *, parent: Mapping[str, str], **attributes: str) -> AbstractContextManager[Served]:
        """Surround a call of a client, whose own trace `parent` tells as W3C's Trace Context has it."""
        ...

    def asking(self, name: str, /, **attributes: str | int) -> AbstractContextManager[None]:
        """Surround a call to somebody else; one that raises has failed."""
        ...

    def doing(self, name: str, /) -> AbstractContextManager[None]:
        """Surround work of our own."""
        ...

    def handed_on(self) -> Headers:
        """Return what tells somebody who is asked of the trace: none where there is none."""
        ...


class _Unserved:
    trace_id = None

    def answered(self, code: str, *, fault: bool, **facts: str) -> None:
        """See Served."""


_UNSERVED = nullcontext(_Unserved())
_NOTHING = nullcontext()


class Untraced:
    """Keeps no spans."""

    def serving(self, _name: str, /, *, parent: Mapping[str, str], **_: str) -> AbstractContextManager[Served]:  # noqa: ARG002
        """See Tracer."""
        return _UNSERVED

    def asking(self, _name: str, /, **_: str | int) -> AbstractContextManager[None]:
        """See Tracer."""
        return _NOTHING

    def doing(self, _name: str, /) -> AbstractContextManager[None]:
        """See Tracer."""
        return _NOTHING

    def handed_on(self) -> Headers:
        """See Tracer."""
        return ()
