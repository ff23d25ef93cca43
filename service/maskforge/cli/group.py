"""A group of commands that are imported when they are asked for, and whose errors are sentences."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from maskforge.errors import ForgeError

if TYPE_CHECKING:
    from collections.abc import Mapping


class ForgeGroup(click.Group):
    """Imports a command with its module, so that `plan` runs in an image that has neither torch nor onnx (ADR 8)."""

    def __init__(self, *, modules: Mapping[str, str], **attributes: Any) -> None:  # noqa: ANN401 - click's
        """Take the commands' modules by the commands' names."""
        super().__init__(**attributes)
        self._modules = modules

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands' names, in the order in which one uses them."""
        del ctx
        return list(self._modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        del ctx
        module = self._modules.get(cmd_name)
        if module is None:
            return None
        try:
            command: click.Command = getattr(import_module(module), cmd_name)
        except ModuleNotFoundError as error:
            return _not_installed(cmd_name, str(error.name))
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the command that was asked for; a `ForgeError` is one line and status 1, not a traceback."""
        try:
            return super().invoke(ctx)
        except ForgeError as error:
            raise click.ClickException(str(error)) from error


def _not_installed(name: str, package: str) -> click.Command:
    """Make a command that says what it lacks, so that the help of the others can still be read."""

    def refuse() -> None:
        raise click.ClickException(f"{name} needs {package}: pip install 'maskgate[forge]'")

    return click.Command(name, callback=refuse, help=f"Not installed here: needs {package}.", add_help_option=False)
