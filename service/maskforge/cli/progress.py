"""Shows how far something has come: a bar on a terminal, else a line every ten percent."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack, contextmanager
from itertools import chain, repeat
from typing import TYPE_CHECKING, TextIO

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from maskforge.checkpoints.transfer import Progress

_MIB = 1 << 20


@contextmanager
def byte_progress(label: str, stream: TextIO | None = None) -> Iterator[Progress]:
    """Give a function that shows how many bytes are there, and of how many: on stderr, unless another stream is named.

    Nothing is shown before it is called.
    """
    out = stream or sys.stderr
    with ExitStack() as stack:
        yield _Bar(label, out, stack).show if out.isatty() else _Lines(label, out).show


@contextmanager
def step_progress(label: str, steps: int, stream: TextIO | None = None) -> Iterator[Callable[[str], None]]:
    """Give a function that is told of each step as it begins: a bar on a terminal, else a line with the time.

    The bar shows the steps that are done, all of them at the end: an interrupted build that is gone on with has fewer.
    """
    out = stream or sys.stderr
    start = time.monotonic()
    if not out.isatty():
        yield lambda step: click.echo(f"{label} [{time.monotonic() - start:4.0f} s] {step}", file=out)
        return
    with click.progressbar(
        length=steps, label=label, file=out, item_show_func=lambda step: step, update_min_steps=0
    ) as bar:
        done = chain((0,), repeat(1))  # with the first step nothing is done, with each other the one before it
        yield lambda step: bar.update(next(done), step)
        bar.update(steps - bar.pos)


class _Bar:
    def __init__(self, label: str, stream: TextIO, stack: ExitStack) -> None:
        self._bar = click.progressbar(length=1, label=label, file=stream)
        self._stack = stack
        self._drawn = False

    def show(self, done: int, total: int | None) -> None:
        self._bar.length = total
        if not self._drawn:
            self._stack.enter_context(self._bar)
            self._drawn = True
        if done < self._bar.pos:  # a download that starts again; the bar itself goes forward only
            self._bar.pos = 0
        self._bar.update(done - self._bar.pos)


class _Lines:
    def __init__(self, label: str, stream: TextIO) -> None:
        self._label = label
        self._stream = stream
        self._shown = -1

    def show(self, done: int, total: int | None) -> None:
        tenths = 10 * done // total if total else self._shown
        if tenths != self._shown and total:
            click.echo(f"{self._label}: {10 * tenths} % of {total / _MIB:.0f} MiB", file=self._stream)
        self._shown = tenths
