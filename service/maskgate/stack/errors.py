"""What can go wrong with the embedded stack.

StackError
├── CannotStart            nothing has been started yet
│   ├── PortInUse
│   └── NotInstalled
├── ComponentFailed        a component died, was not ready in time, or keeps crashing
└── StopRequested          somebody asked to stop while the stack was waiting
"""

from __future__ import annotations


class StackError(Exception):
    """Base of all errors of the embedded stack; its text is one line for a person."""


class CannotStart(StackError):
    """The stack cannot be started as it was asked for."""


class PortInUse(CannotStart):
    """Another process listens on a port that the stack was told to use."""

    def __init__(self, port: int, *, host: str, option: str) -> None:
        """Says which option chooses another port."""
        super().__init__(f"port {port} on {host} is already in use; choose another one with {option}")
        self.port = port
        self.option = option


class NotInstalled(CannotStart):
    """A program, library or model that the stack needs is not here; the text says what to run."""


class ComponentFailed(StackError):
    """A component failed."""

    def __init__(self, component: str, reason: str, *, log_tail: str = "") -> None:
        """Keeps the end of the component's log, because the log itself goes away with the stack.

        It is a note as well, so that a traceback shows it.
        """
        super().__init__(f"{component} {reason}")
        self.add_note(log_tail)
        self.component = component
        self.log_tail = log_tail


class StopRequested(StackError):
    """The stack was asked to stop before it had finished starting."""
