"""`maskgate keys`: the file of API keys by which a gateway tells tenants apart."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from maskgate.adapters.key_file import KeyFileError, add_key, read_keys
from maskgate.domain.api_key import ApiKey, KnownKey
from maskgate.domain.tenant import Limits, Tenant

if TYPE_CHECKING:
    from collections.abc import Iterable

_FILE = click.option(
    "--file",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    default="api-keys.jsonl",
    help="The gateway's file of keys.",
)


@click.group()
def keys() -> None:
    """Make API keys, and look at those that there are."""


@keys.command("new")
@click.option("--tenant", required=True, help="Whose key it is: letters, digits, '.', '_' and '-'.")
@_FILE
@click.option("--calls-per-second", type=float, help="Calls that the tenant may make in a second.")
@click.option("--pixels-per-minute", type=int, help="Pixels of images that may be encoded for it in a minute.")
@click.option("--cache-bytes", type=int, help="What its images may weigh, with an embedding each.")
def new(*, tenant: str, path: Path, **limits: float | None) -> None:
    """Make a key, add its hash to the file, and print it: it cannot be shown again.

    A running gateway knows it within a second or two. To replace a key, make another for the same tenant, hand it out,
    and delete the line of the old one.
    """
    key = ApiKey.new()
    try:
        add_key(path, KnownKey(key.id, key.digest, Tenant.named(tenant, Limits(**limits))))  # type: ignore[arg-type] # click has made them int
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except KeyFileError as error:
        raise click.ClickException(str(error)) from error
    click.echo(key)


@keys.command("list")
@_FILE
def show(*, path: Path) -> None:
    """List the keys' ids, tenants and limits. The keys themselves are nowhere."""
    try:
        known = read_keys(path)
    except KeyFileError as error:
        raise click.ClickException(str(error)) from error
    for key in known:
        click.echo(f"{key.id}  {key.tenant.name:<20}  {', '.join(_said(key.tenant.limits)) or 'no limits'}")


def _said(limits: Limits) -> Iterable[str]:
    return (f"{name} {limit}" for name, limit in asdict(limits).items() if limit is not None)
