"""`maskgate up`: the whole service on this machine, in the foreground."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from maskgate.cli.serve import read_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from maskgate.stack import StackError

PORT = click.IntRange(0, 65535)
WORKERS = click.IntRange(1, 64)
PROGRAM = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


def _port(name: str, *, default: int, of: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(name, type=PORT, default=default, show_default=True, help=f"{of}; 0 picks a free one.")


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address on which the gateway listens.")
@click.option("--insecure", is_flag=True, help="Listen on any address although everybody may do everything.")
@_port("--grpc-port", default=50051, of="The gateway's gRPC port")
@_port("--http-port", default=8080, of="The gateway's HTTP port")
@click.option("--workers", type=WORKERS, default=1, show_default=True, help="Processes of the gateway.")
@_port("--triton-grpc-port", default=8001, of="Triton's gRPC port, on the loopback")
@_port("--triton-metrics-port", default=8002, of="Triton's metrics port, on the loopback")
@click.option(
    "--triton-url",
    metavar="HOST:PORT",
    help="Use this running Triton, or several, and start none.",
)
@click.option("--tritonserver", type=PROGRAM, help="Start this tritonserver rather than the one on PATH.")
@click.option(
    "--triton-python",
    type=PROGRAM,
    help="A Python with the wheel nvidia-pytriton, for where no tritonserver is on PATH (default: .venv-triton's).",
)
@click.option("--redis-url", metavar="URL", help="Use this running Redis or Valkey and start none.")
@click.option("--model", "models", multiple=True, default=["lite0"], show_default=True, help="To serve; repeatable.")
@click.option("--model-repository", type=FOLDER, help="Triton's model repository (default: model_repository).")
@click.option("--cache-memory", default="256mb", show_default=True, help="How much Valkey may keep.")
@click.option("--otlp-endpoint", metavar="URL", help="OTLP/HTTP receiver of traces, the gateway's and Triton's.")
@click.option("--logs", is_flag=True, help="Show the components' logs.")
def up(*, logs: bool, **options: Any) -> None:  # noqa: ANN401 - the fields of StackConfig, by their names
    """Start Valkey, Triton and the gateway, and keep them running until Ctrl-C.

    They are stopped in order, and leave no process and no file behind.
    """
    # Needs the extra `stack`, which a machine that only runs `maskgate serve` has no use for.
    from maskgate.stack import CannotStart, EmbeddedStack, StackConfig, StackError, StopRequested  # noqa: PLC0415

    _require_what_up_can(options)
    follow_log = click.echo if logs else None
    with stop_signals() as stopping:
        try:
            config = StackConfig(**options)
            with EmbeddedStack(config, announce=click.echo, follow_log=follow_log, stopping=stopping) as stack:
                click.echo("Ctrl-C stops it.")
                stack.supervise()
        except StopRequested:
            pass
        except StackError as error:
            click.echo(f"Error: {explain(error)}", err=True)
            sys.exit(2 if isinstance(error, CannotStart) else 1)


def _require_what_up_can(options: dict[str, Any]) -> None:
    """Ask the gateway's settings before anything starts: the gateway itself would only be asked in the end."""
    if read_settings({"host": options["host"], "insecure": options["insecure"] or None}).tls_cert_file:
        raise click.UsageError("maskgate up serves in the clear: unset MASKGATE_TLS_…, or run maskgate serve.")


@contextmanager
def stop_signals() -> Iterator[Callable[[], bool]]:
    """Turns Ctrl-C, SIGTERM and a closed terminal into a flag that the caller can ask for."""
    received: list[int] = []
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda number, _: received.append(number)) for number in signals}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def explain(error: StackError) -> str:
    """One line, and the end of the log that tells more, where there is one."""
    log_tail = getattr(error, "log_tail", "")
    return f"{error}; its log ends with:\n{log_tail}" if log_tail else str(error)
