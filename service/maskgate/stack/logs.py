"""The components' log files in the run directory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SUFFIX = ".log"
TAIL_BYTES = 64 * 1024
MOST_BYTES = 16 * 1024 * 1024


def path_of(component: str, *, directory: Path) -> Path:
    """The log file of a component."""
    return directory / f"{component}{SUFFIX}"


def tail(path: Path, *, lines: int = 20) -> str:
    """The last lines of a file, however long it is."""
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
        text = file.read().decode(errors="replace")
    return "\n".join(text.splitlines()[-lines:])


def empty_long_ones(directory: Path, *, beyond: int = MOST_BYTES) -> None:
    """Empties every log that is longer. Its component appends to it, so what it writes next is the first line."""
    for path in directory.glob(f"*{SUFFIX}"):
        if path.stat().st_size > beyond:
            os.truncate(path, 0)


class LogFollower:
    """Reads what the components append to their logs, in whole lines."""

    def __init__(self, directory: Path) -> None:
        """Follows every log in the directory from its beginning, also those that appear later."""
        self._directory = directory
        self._offsets: dict[Path, int] = {}

    def new_lines(self) -> Iterator[str]:
        """Yields lines not seen before, each with its component's name in front."""
        for path in sorted(self._directory.glob(f"*{SUFFIX}")):
            for line in self._new_lines_of(path):
                yield f"{path.stem:<9}| {line}"

    def _new_lines_of(self, path: Path) -> list[str]:
        with path.open("rb") as file:
            offset = self._offsets.get(path, 0)
            if file.seek(0, os.SEEK_END) < offset:  # it has been emptied
                offset = 0
            file.seek(offset)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._offsets[path] = offset + len(whole + newline)
        return whole.decode(errors="replace").splitlines()
