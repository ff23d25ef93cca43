"""Kinds of values on the command line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click


class Numbers(click.ParamType[tuple[float, ...]]):
    """`x,y` and the like: as many numbers as the names say."""

    def __init__(self, *names: str) -> None:
        self.name = ",".join(names)
        self._count = len(names)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:  # noqa: ANN401
        """Read numbers."""
        try:
            numbers = tuple(float(part) for part in str(value).split(","))
        except ValueError:
            numbers = ()
        if len(numbers) != self._count:
            self.fail(f"{value!r} is not {self.name}", param, ctx)
        return numbers


class NewFile(click.Path):
    """A file to write, in a folder that exists; its name's ending says how."""

    def __init__(self, *endings: str) -> None:
        super().__init__(dir_okay=False, writable=True, path_type=Path)
        self._endings = endings

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:  # noqa: ANN401
        """Look at the ending and the folder, before anything is computed."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if path.suffix.lower() not in self._endings:
            self.fail(f"'{path}' does not end in {' or '.join(self._endings)}", param, ctx)
        if not path.parent.is_dir():
            self.fail(f"'{path.parent}' is not a folder", param, ctx)
        return path


def keep_apart(*files: Path | None) -> None:
    """Refuse to write a file over the photo or over another one."""
    resolved = [file.resolve() for file in files if file is not None]
    if len(set(resolved)) < len(resolved):
        raise click.UsageError("the photo and the files to write must be different files")
