"""Runs a foreign program: its output is logged as it comes, its time is bounded, its failure is typed."""

import logging
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Timer
from typing import IO, Final, cast

from maskforge.errors import ToolFailed

log = logging.getLogger(__name__)

LAST_WORDS: Final = 12
"""Lines of output that an error repeats, if none is marked as one."""

ERROR_MARK: Final = "[E]"
"""How TensorRT's programs mark the lines that say what went wrong."""


def run(command: Sequence[str], *, seconds: float, folder: Path | None = None) -> str:
    """Run a program to its end and return all that it said.

    Args:
        command: The program and its arguments; no shell sees them.
        seconds: When to kill it, with all that it has started.
        folder: Its working directory.

    Raises:
        ToolFailed: It is not there, took too long, or ended with another status than 0.
    """
    with _started(command, folder) as (process, output), _killed_after(seconds, process) as deadline:
        lines = list(_logged(output))
        status = process.wait()
    if deadline.passed:
        raise ToolFailed(f"{command[0]} was stopped: it had not finished after {seconds:g} s")
    if status:
        raise ToolFailed(f"{command[0]} ended with status {status}: {_reason(lines)}")
    return "".join(lines)


@contextmanager
def _started(command: Sequence[str], folder: Path | None) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    """Start a process in a group of its own, and kill the group if it is still running at the end."""
    try:
        process = subprocess.Popen(  # noqa: S603
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise ToolFailed(f"{command[0]} cannot be started: {error.strerror}") from error
    with process:
        try:
            yield process, cast("IO[str]", process.stdout)
        finally:
            _kill(process)


class _Deadline:
    """Kills a process once its time is up."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.passed = False
        self._process = process

    def strike(self) -> None:
        self.passed = _kill(self._process)


@contextmanager
def _killed_after(seconds: float, process: subprocess.Popen[str]) -> Iterator[_Deadline]:
    deadline = _Deadline(process)
    timer = Timer(seconds, deadline.strike)
    timer.start()
    try:
        yield deadline
    finally:
        timer.cancel()


def _kill(process: subprocess.Popen[str]) -> bool:
    """Kill a process and its children, and say whether it was still running."""
    if process.poll() is not None:
        return False
    with suppress(ProcessLookupError):  # it has just ended
        os.killpg(process.pid, signal.SIGKILL)
    return True


def _logged(output: IO[str]) -> Iterator[str]:
    for line in output:
        log.info("%s", line.rstrip())
        yield line


def _reason(lines: Sequence[str]) -> str:
    said = [line.strip() for line in lines if line.strip()]
    marked = [line for line in said if ERROR_MARK in line]
    return " / ".join((marked or said)[-LAST_WORDS:]) or "it said nothing"
