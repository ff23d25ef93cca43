"""`maskgate serve`: the gateway alone, against a given Redis and Triton."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import click
from pydantic import ValidationError

from maskgate.bootstrap import CannotListenError, authority, open_gateway
from maskgate.settings import Settings
from maskgate.telemetry import configure_logging


@click.command()
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--grpc-port", type=int, help="Port of gRPC.  [default: 50051]")
@click.option("--http-port", type=int, help="Port of REST, probes and metrics.  [default: 8080]")
@click.option("--triton-url", help="host:port of Triton's gRPC endpoint.  [default: 127.0.0.1:8001]")
@click.option("--redis-url", help="redis://, rediss:// or unix:// URL.  [default: redis://127.0.0.1:6379/0]")
@click.option("--model", "models", multiple=True, help="Model to serve; repeatable, the first is the default.")
@click.option("--shared-memory-prefix", help="Begins the name of the gateway's file in /dev/shm.  [default: maskgate]")
@click.option("--log-level", help="DEBUG, INFO, WARNING or ERROR.  [default: INFO]")
def serve(**options: Any) -> None:  # noqa: ANN401 - click's options, validated by Settings
    """Run the gateway alone, against a running Redis and Triton.

    Every option, and more, can be set by an environment variable MASKGATE_…: see docs/settings.md.
    """
    settings = _settings({name: value for name, value in options.items() if value not in (None, ())})
    configure_logging(settings.log_level)
    try:
        asyncio.run(_serve(settings))
    except CannotListenError as error:
        raise click.ClickException(str(error)) from error


def _settings(given: dict[str, Any]) -> Settings:
    try:
        return Settings(**given)
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
        raise click.UsageError("; ".join(wrong)) from error


async def _serve(settings: Settings) -> None:
    asked_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked_to_stop.set)
    async with open_gateway(settings) as gateway:
        host = settings.host
        click.echo(f"gRPC {authority(host, gateway.grpc_port)}, REST http://{authority(host, gateway.http_port)}")
        await asked_to_stop.wait()
