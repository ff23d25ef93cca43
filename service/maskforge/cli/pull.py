"""`maskforge pull`."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import click

from maskforge.checkpoints.download import copy_local, download
from maskforge.checkpoints.official_files import OFFICIAL_FILES, OFFICIAL_SOURCE
from maskforge.cli.options import REPOSITORY
from maskforge.cli.progress import byte_progress

if TYPE_CHECKING:
    from collections.abc import Sequence


class LocalFile(click.Path):
    """A file that exists, given as a path or as a `file://` address."""

    def __init__(self) -> None:
        super().__init__(exists=True, dir_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401
        """Take the path out of an address."""
        if isinstance(value, str) and value.startswith("file://"):
            value = url2pathname(urlsplit(value).path)
        return super().convert(value, param, ctx)


def _http_only(_: click.Context, __: click.Parameter, mirrors: Sequence[str]) -> Sequence[str]:
    for mirror in mirrors:
        if not mirror.startswith(("http://", "https://")):
            raise click.BadParameter(f"{mirror!r} does not begin with http:// or https://")
    return mirrors


def _as_digest(_: click.Context, __: click.Parameter, given: str | None) -> str | None:
    """Accept the digest as `sha256sum` prints it, and as maskforge does."""
    if given is None:
        return None
    digits = given.lower().removeprefix("sha256:")
    if not re.fullmatch("[0-9a-f]{64}", digits):
        raise click.BadParameter("64 hexadecimal digits are expected")
    return f"sha256:{digits}"


@click.command()
@click.argument("model", type=click.Choice(list(OFFICIAL_FILES)))
@click.option(
    "--output", type=REPOSITORY, default=Path("checkpoints"), show_default=True, help="The folder to put the file into."
)
@click.option(
    "--mirror",
    "mirrors",
    metavar="URL",
    multiple=True,
    callback=_http_only,
    help="A folder to download from rather than from Meta's server. Repeatable; they are asked in this order.",
)
@click.option("--from", "local", type=LocalFile(), help="Copies this file rather than downloading one.")
@click.option("--sha256", "digest", metavar="HEX", callback=_as_digest, help="Accept this file, not Meta's.")
def pull(model: str, output: Path, mirrors: Sequence[str], local: Path | None, digest: str | None) -> None:
    """Download one of Meta's checkpoints, and check its digest."""
    if mirrors and local:
        raise click.UsageError("--mirror and --from exclude each other.")
    file = OFFICIAL_FILES[model]
    file = replace(file, digest=digest or file.digest)
    with byte_progress(file.name) as progress:
        if local:
            path = copy_local(file, local, output, progress=progress)
        else:
            path = download(file, mirrors or (OFFICIAL_SOURCE,), output, progress=progress)
    click.echo(path)
