"""A group of commands that are imported when they are asked for, and whose errors are sentences."""

from __future__ import annotations

from errno import EPIPE
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from maskforge.errors import ForgeError

if TYPE_CHECKING:
    from collections.abc import Mapping


OWN_PACKAGE = "maskforge"


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
            if error.name is None or error.name.partition(".")[0] == OWN_PACKAGE:
                raise
            return _not_installed(cmd_name, error.name)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the command that was asked for; what it cannot help is one line and status 1, not a traceback."""
        try:
            return super().invoke(ctx)
        except ForgeError as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            if error.errno == EPIPE:  # click's own: nobody reads what is printed
                raise
            place = f"{error.filename}: " if error.filename else ""
            raise click.ClickException(f"{place}{error.strerror or error}") from error


def _not_installed(name: str, package: str) -> click.Command:
    """Make a command that says what it lacks, whatever it is given; the help of the others can still be read."""

    def refuse(args: tuple[str, ...]) -> None:
        del args
        raise click.ClickException(f"{name} needs {package}: pip install 'maskgate[forge]'")

    return click.Command(
        name,
        callback=refuse,
        params=[click.Argument(["args"], nargs=-1, type=click.UNPROCESSED)],
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
        help=f"Not installed here: needs {package}.",
        add_help_option=False,
    )
