"""Parameter types that several commands share."""

import re
from pathlib import Path
from typing import Any

import click

REPOSITORY = click.Path(file_okay=False, path_type=Path)
EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
EXISTING_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


class ModelName(click.ParamType[str]):
    """A model's name; folders are named after it, in the repository and on other people's disks."""

    name = "model"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401
        """Refuse a name that is a path, an option or hidden."""
        if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]*", str(value)):
            rule = "lower-case letters, digits, '_', '.' and '-' are allowed, and the first is a letter or digit"
            self.fail(f"{value!r} is no name for a model: {rule}", param, ctx)
        return str(value)


MODEL_NAME = ModelName()
