"""Ends what a stack has left behind and deletes its files: `python -I -S reaper.py RUN_DIRECTORY`.

A tiny process in a session of its own. Its standard input is a pipe that the stack's process never writes to, so the
read below returns when that process closes the pipe or dies, by whatever signal. The tidy path and the crash path are
thus the same few lines. Only the standard library: it must start in milliseconds and survive anything.
"""

import contextlib
import os
import shutil
import signal
import sys
import time
from pathlib import Path

MARK = "MASKGATE_STACK"
"""Environment variable of every process of a stack, inherited by their children: `<run directory>/<component>`."""

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where Linux keeps POSIX shared memory
GRACE_SECONDS = 2.0
KILL_SECONDS = 5.0


def main(arguments: list[str]) -> None:
    """Waits for the parent to close the pipe or die, then leaves no process and no file."""
    run_directory = Path(arguments[0])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    tidy(run_directory)


def tidy(run_directory: Path) -> None:
    """Ends the stack's processes, then deletes its run directory and its shared memory."""
    end_processes(run_directory, grace=GRACE_SECONDS)
    shutil.rmtree(run_directory, ignore_errors=True)
    for region in SHARED_MEMORY.glob(f"{run_directory.name}*"):
        region.unlink(missing_ok=True)


def end_processes(marked: Path, *, grace: float) -> None:
    """Asks all processes whose mark is `marked` or below it to end, and kills those that have not after `grace`."""
    _signal_all(find_processes(marked), signal.SIGTERM)
    kill_at = time.monotonic() + grace
    while (left := find_processes(marked)) and time.monotonic() < kill_at + KILL_SECONDS:
        if time.monotonic() >= kill_at:
            _signal_all(left, signal.SIGKILL)
        time.sleep(0.02)


def find_processes(marked: Path) -> list[int]:
    """Finds processes by their mark, which outlives the process that started them; a zombie has none."""
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if _is_below(marked, _mark_of(entry))]


def _mark_of(process: Path) -> Path | None:
    with contextlib.suppress(OSError):  # it has ended, or is somebody else's
        for variable in process.joinpath("environ").read_bytes().split(b"\0"):
            name, _, value = variable.partition(b"=")
            if name == MARK.encode():
                return Path(os.fsdecode(value))
    return None


def _is_below(marked: Path, mark: Path | None) -> bool:
    return mark is not None and mark.is_relative_to(marked)


def _signal_all(processes: list[int], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


if __name__ == "__main__":
    main(sys.argv[1:])
