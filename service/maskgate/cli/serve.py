"""`maskgate serve`: the gateway alone, against a given Redis and Triton."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click
from pydantic import ValidationError

from maskgate.bootstrap import CannotServeError, authority, open_gateway
from maskgate.cli.crew import serve_with_workers
from maskgate.cli.stopping import asked_to_stop
from maskgate.settings import Settings
from maskgate.telemetry import configure_logging
from maskgate.workers import WorkerFailedError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


@click.command()
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--api-keys-file", help="File of `maskgate keys new`: every call then needs a key.")
@click.option(
    "--insecure", is_flag=True, default=None, help="Listen on any address although everybody may do everything."
)
@click.option("--tls-cert-file", help="PEM with certificate and chain: both ports then speak TLS.")
@click.option("--tls-key-file", help="PEM with the certificate's key.")
@click.option("--tls-client-ca-file", help="PEM with authorities of clients' certificates, which are asked for then.")
@click.option("--grpc-port", type=int, help="Port of gRPC.  [default: 50051]")
@click.option("--http-port", type=int, help="Port of REST, probes and metrics.  [default: 8080]")
@click.option("--workers", type=int, help="Processes that share the ports and what the gateway may use.  [default: 1]")
@click.option("--triton-url", help="host:port of Triton's gRPC endpoint, or of several.  [default: 127.0.0.1:8001]")
@click.option("--redis-url", help="redis://, rediss:// or unix:// URL.  [default: redis://127.0.0.1:6379/0]")
@click.option("--model", "models", multiple=True, help="Model to serve; repeatable, the first is the default.")
@click.option("--shared-memory-prefix", help="Begins the name of the gateway's file in /dev/shm.  [default: maskgate]")
@click.option("--otlp-endpoint", help="Base URL of an OTLP/HTTP receiver that gets traces.")
@click.option("--log-level", help="DEBUG, INFO, WARNING or ERROR.  [default: INFO]")
def serve(**options: Any) -> None:  # noqa: ANN401 - click's options, validated by Settings
    """Run the gateway alone, against a running Redis and Triton.

    Every option, and more, can be set by an environment variable MASKGATE_…: see docs/settings.md.
    """
    settings = read_settings(options)
    configure_logging(settings.log_level)
    try:
        asyncio.run(_serve(settings) if settings.workers == 1 else serve_with_workers(settings, tell_where=_tell_where))
    except (CannotServeError, WorkerFailedError) as error:
        raise click.ClickException(str(error)) from error


def read_settings(options: dict[str, Any]) -> Settings:
    """Read the settings; options that were given win over the environment.

    Raises:
        click.UsageError: They make no sense.
    """
    try:
        return Settings(**{name: value for name, value in options.items() if value not in (None, ())})
    except ValidationError as error:
        raise click.UsageError("; ".join(map(_explained, error.errors()))) from error


def _explained(item: ErrorDetails) -> str:
    """Name the setting that is wrong; what is wrong with several names them itself."""
    where = ".".join(map(str, item["loc"]))
    return f"{where}: {item['msg']}" if where else item["msg"].removeprefix("Value error, ")


async def _serve(settings: Settings) -> None:
    stopping = asked_to_stop()
    async with open_gateway(settings) as gateway:
        _tell_where(settings, gateway.grpc_port, gateway.http_port)
        await stopping.wait()


def _tell_where(settings: Settings, grpc_port: int, http_port: int) -> None:
    host, scheme = settings.host, "https" if settings.tls_cert_file else "http"
    click.echo(f"gRPC {authority(host, grpc_port)}, REST {scheme}://{authority(host, http_port)}")
