"""The processes in which Triton's Python backend runs models, one for each instance."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PROCESSES = Path("/proc")
PROGRAM = "triton_python_backend_stub"


class Stubs:
    """Finds the stubs of one server by their command lines, which name the backends and a file of the model."""

    def __init__(self, *, backends: Path, model_repository: Path, processes: Path = PROCESSES) -> None:
        """Takes both folders as Triton was told of them."""
        self._program = str(backends / "python" / PROGRAM)
        self._repository = model_repository
        self._processes = processes

    def find(self) -> dict[int, str]:
        """The model of each running stub, by process id."""
        return dict(self._running())

    def is_running(self, process: int) -> bool:
        """Whether a stub found before still runs; a zombie does not, nor another program under a number used again."""
        return self._command_of(process)[:1] == [self._program]

    def _running(self) -> Iterator[tuple[int, str]]:
        for entry in self._processes.glob("[0-9]*"):
            program, *arguments = self._command_of(int(entry.name)) or [""]
            if program == self._program:
                yield int(entry.name), Path(arguments[0]).relative_to(self._repository).parts[0]

    def _command_of(self, process: int) -> list[str]:
        with suppress(OSError):  # it has ended
            command = (self._processes / str(process) / "cmdline").read_bytes()
            return command.decode(errors="replace").rstrip("\0").split("\0") if command else []
        return []
