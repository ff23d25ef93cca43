"""Which gateway a command asks, and how it says that the gateway refuses."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import click

from maskgate.client import Client, KeyInTheClearError, MaskgateError, Tls
from maskgate.domain.errors import InvalidRequest, ModelNotFound, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PEM = click.Path(exists=True, dir_okay=False, path_type=Path)


class Proofs(TypedDict):
    """How both sides of a connection say who they are, by the names that clients give to it."""

    api_key: str | None
    tls: Tls | bool
    insecure: bool


@dataclass(frozen=True, slots=True)
class Gateway:
    """Where the gateway is, and who asks."""

    address: str
    api_key: str | None
    tls: bool
    ca: Path | None
    certificate: Path | None
    key: Path | None
    insecure: bool

    @property
    def trusted(self) -> Tls | None:
        """What proves both sides; None in the clear. Files say enough to mean TLS."""
        files = Tls(self.ca, self.certificate, self.key)
        return files if self.tls or files != Tls() else None

    @property
    def proofs(self) -> Proofs:
        """What a client is given of it beside the address."""
        return {"api_key": self.api_key, "tls": self.trusted or False, "insecure": self.insecure}


_OPTIONS = (
    click.option("--address", default="127.0.0.1:50051", help="host:port of the gateway's gRPC endpoint."),
    click.option("--api-key", envvar="MASKGATE_API_KEY", help="Where the gateway asks for one; or MASKGATE_API_KEY."),
    click.option("--tls", is_flag=True, help="Have the gateway prove who it is, by an authority that is well known."),
    click.option("--ca", type=PEM, help="PEM with authorities to trust rather than those."),
    click.option(
        "--certificate", type=PEM, help="PEM with a certificate of one's own, where the gateway asks for one."
    ),
    click.option("--key", type=PEM, help="PEM with that certificate's key."),
    click.option("--insecure", is_flag=True, help="Let the API key go in the clear to another machine."),
)


def gateway_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that name a gateway; they arrive as its argument `gateway`."""

    @wraps(command)
    def reading(
        *,
        address: str,
        api_key: str | None,
        tls: bool,
        ca: Path | None,
        certificate: Path | None,
        key: Path | None,
        insecure: bool,
        **others: Any,  # noqa: ANN401 - the command's own
    ) -> None:
        if (certificate is None) != (key is None):
            raise click.UsageError("--certificate and --key go together.")
        try:
            command(gateway=Gateway(address, api_key, tls, ca, certificate, key, insecure), **others)
        except KeyInTheClearError as error:
            raise click.UsageError(
                f"The API key would go to {address} in the clear: ask for --tls, or say --insecure if that is meant."
            ) from error

    for option in reversed(_OPTIONS):
        reading = option(reading)
    return reading


@contextmanager
def open_client(gateway: Gateway) -> Iterator[Client]:
    """Open a client whose errors are sentences for people."""
    with (
        explained(gateway.address),
        Client(gateway.address, **gateway.proofs) as client,
    ):
        yield client


class Refused(click.ClickException):
    """What was asked for makes no sense: status 2, as for options that click itself refuses."""

    exit_code = 2


@contextmanager
def explained(address: str) -> Iterator[None]:
    """Say in a sentence why a gateway refuses, or that there is none."""
    try:
        yield
    except MaskgateError as error:
        raise explanation(error, address) from error


def explanation(error: MaskgateError, address: str) -> click.ClickException:
    """Write an error as a sentence."""
    if isinstance(error, Unavailable) and error.reason == Unavailable.reason:
        return click.ClickException(f"no gateway answers at {address}; start one with `maskgate up`")
    said = f"{error.reason}: {error.message}"
    return Refused(said) if isinstance(error, InvalidRequest | ModelNotFound) else click.ClickException(said)
