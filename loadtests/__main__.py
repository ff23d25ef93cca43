"""Let people at the service, one kind after the other, and write down how long they waited.

    python -m loadtests [OPTIONS]

Without addresses the embedded stack is started, with lite0, and people share its machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from benchmarks.measuring import machine, write_results
from loadtests import table
from maskgate.stack import EmbeddedStack, StackConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

PEOPLE: Final = {"ColdStart": 2, "Annotator": 8, "Crowd": 8, "Batch": 2}
"""How many of each, by the names of loadtests/people.py."""
LOCUST: Final = Path(".venv-load/bin/locust")
RESULTS: Final = Path("loadtests/results/load.json")
PAGE: Final = Path("docs/load.md")
GRACE: Final = 90.0
"""Seconds that locust may take longer than it was told."""


@dataclass(frozen=True)
class Addresses:
    """Where the service is: of gRPC without a scheme, of REST with one."""

    grpc: str
    rest: str


@click.command()
@click.option("--seconds", default=12, show_default=True, help="How long each kind of people calls over each protocol.")
@click.option("--times", default=1.0, show_default=True, help="How many times as many people.")
@click.option("--who", type=click.Choice(list(PEOPLE)), multiple=True, help="Only these; may be given again.")
@click.option("--grpc", default="", help="host:port of a service that runs; needs --rest, too.")
@click.option("--rest", default="", help="http://host:port of the same service.")
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS, show_default=True, help="The JSON file.")
@click.option(
    "--page", type=click.Path(path_type=Path, exists=True), default=PAGE, show_default=True, help="Gets the table."
)
def load(*, seconds: int, times: float, who: tuple[str, ...], grpc: str, rest: str, output: Path, page: Path) -> None:
    """Let people at the service."""
    if bool(grpc) != bool(rest):
        raise click.UsageError("--grpc and --rest are given together.")
    people = {name: max(1, round(count * times)) for name, count in PEOPLE.items() if not who or name in who}
    with service(grpc, rest) as addresses:
        sessions = [
            meet(name, count, protocol=protocol, host=getattr(addresses, protocol), seconds=seconds)
            for name, count in people.items()
            for protocol in ("grpc", "rest")
        ]
    figures = table.document(sessions, machine())
    write_results(figures, output)
    page.write_text(table.with_table(page.read_text(), table.markdown(figures)))
    click.echo(table.markdown(figures))


@contextmanager
def service(grpc: str, rest: str) -> Iterator[Addresses]:
    """A service that runs, or else one that is started and stopped here."""
    if grpc:
        yield Addresses(grpc, rest)
        return
    config = StackConfig(grpc_port=0, http_port=0, triton_grpc_port=0, triton_metrics_port=0)
    with EmbeddedStack(config) as stack:
        yield Addresses(str(stack.endpoints.grpc), str(stack.endpoints.http))


def meet(name: str, count: int, *, protocol: str, host: str, seconds: int) -> table.Session:
    """Let some people call for a while."""
    with tempfile.TemporaryDirectory() as folder:
        records = Path(folder) / "records.jsonl"
        options = {"--protocol": protocol, "--records": str(records), "--host": host, "--run-time": f"{seconds}s"}
        crew = {"--users": str(count), "--spawn-rate": str(count), "--stop-timeout": "20", "--loglevel": "WARNING"}
        arguments = [part for option in (options | crew).items() for part in option]
        subprocess.run(  # noqa: S603 - ours
            [LOCUST, "-f", "loadtests/people.py", name, "--headless", "--only-summary", *arguments],
            env={**os.environ, "PYTHONPATH": os.pathsep.join((".", "service"))},
            stderr=subprocess.DEVNULL,
            timeout=seconds + GRACE,
            check=False,  # some calls failed: the table says how many
        )
        seen = [table.Record(**json.loads(line)) for line in records.read_text().splitlines()]
    return table.Session(name, count, protocol, seen)


if __name__ == "__main__":
    load()
