"""Runs every benchmark, one after the other, and says what each ratio came to.

python -m benchmarks            # as the committed results were made: half an hour
python -m benchmarks --short    # fewer rounds, in minutes; writes to out/benchmarks
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

RESULTS: Final = Path("benchmarks", "results")
SHORT_RESULTS: Final = Path("out", "benchmarks")
SHORT: Final[dict[str, tuple[str, ...]]] = {
    "decode": ("--repeats", "5"),
    "transport": ("--repeats", "4", "--requests", "100"),
    "click": ("--repeats", "15"),
    "throughput": ("--repeats", "1", "--seconds", "3"),
    "workers": ("--repeats", "1", "--seconds", "2"),
    "stream": ("--rounds", "1", "--prompts", "400"),
    "redis_bytes": (),
    "encode": ("--model", "vit_b", "--repeats", "2"),
}
"""Every benchmark, with the options of a short run."""
FILES: Final = {"redis_bytes": "redis.json"}
"""Of those that are not named after their benchmark."""


@click.command()
@click.option("--short", is_flag=True, help="Fewer rounds; the committed results stay as they are.")
@click.option("--only", multiple=True, type=click.Choice([*SHORT]), help="Run this one; repeatable.  [default: all]")
def bench(*, short: bool, only: tuple[str, ...]) -> None:
    """Run every benchmark, ours and the peers in turn."""
    folder = SHORT_RESULTS if short else RESULTS
    chosen = only or tuple(SHORT)
    files = {name: folder / FILES.get(name, f"{name}.json") for name in chosen}
    failed = [name for name in chosen if not _run(name, files[name], options=SHORT[name] if short else ())]
    for name in chosen:
        if name not in failed:
            click.echo("\n".join((f"\n{name}", *ratios_of(json.loads(files[name].read_text(encoding="utf-8"))))))
    if failed:
        raise click.ClickException(f"these did not run to their end: {', '.join(failed)}")


def _run(name: str, output: Path, *, options: tuple[str, ...]) -> bool:
    """Run a benchmark in a process of its own, so that none has another's threads and memory."""
    output.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", f"benchmarks.{name}", *options, "--output", str(output)]
    return subprocess.run(command, check=False).returncode == 0  # noqa: S603 - ours


def ratios_of(document: Any, path: str = "") -> Iterator[str]:  # noqa: ANN401 - JSON of any benchmark
    """Find the bounds in a results file, each with what it came to."""
    if isinstance(document, dict):
        if "met" in document:
            yield _line(path, document)
            return
        for key, value in document.items():
            yield from ratios_of(value, path if key == "ratios" else f"{path} {key}".strip())


def _line(path: str, figure: dict[str, Any]) -> str:
    value = next(iter(figure.values()))
    return f"  {path:<72}{value:>12}   {'pass' if figure['met'] else 'MISS'} ({figure.get('bound', '')})"


if __name__ == "__main__":
    bench()
