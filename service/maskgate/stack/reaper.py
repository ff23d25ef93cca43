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
TEMPORARY = Path("/tmp")  # noqa: S108 - where Triton's Python backend makes its folder, whatever TMPDIR says
PROCESSES = Path("/proc")
GRACE_SECONDS = 2.0
KILL_SECONDS = 5.0


def main(arguments: list[str]) -> None:
    """Waits for the parent to close the pipe or die, then leaves no process and no file."""
    run_directory, began = Path(arguments[0]), time.time()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    tidy(run_directory, began=began)


def tidy(run_directory: Path, *, began: float) -> None:
    """Ends the processes of a stack that began at that time (of `time.time`), and deletes what they leave behind."""
    end_processes(run_directory, grace=GRACE_SECONDS)
    for region in SHARED_MEMORY.glob(f"{run_directory.name}*"):
        region.unlink(missing_ok=True)
    delete_forgotten_folders(since=began)
    shutil.rmtree(run_directory, ignore_errors=True)


def delete_forgotten_folders(*, since: float, parent: Path = TEMPORARY, processes: Path = PROCESSES) -> None:
    """Deletes the empty folder that Triton's Python backend makes for packed environments.

    It stays behind when Triton is killed. While any Triton is running such folders are left alone, since one may be in
    use; a stack that ends later deletes them too.
    """
    if any(_is_triton(process) for process in processes.glob("[0-9]*")):
        return
    for folder in parent.glob("python_env_*"):
        with contextlib.suppress(OSError):  # not empty, gone, or not ours
            if folder.stat().st_mtime >= since:
                folder.rmdir()


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
    return [int(entry.name) for entry in PROCESSES.glob("[0-9]*") if _is_below(marked, _mark_of(entry))]


def _mark_of(process: Path) -> Path | None:
    with contextlib.suppress(OSError):  # it has ended, or is somebody else's
        for variable in process.joinpath("environ").read_bytes().split(b"\0"):
            name, _, value = variable.partition(b"=")
            if name == MARK.encode():
                return Path(os.fsdecode(value))
    return None


def _is_triton(process: Path) -> bool:
    with contextlib.suppress(OSError):
        return process.joinpath("cmdline").read_bytes().split(b"\0")[0].endswith(b"/tritonserver")
    return False


def _is_below(marked: Path, mark: Path | None) -> bool:
    return mark is not None and mark.is_relative_to(marked)


def _signal_all(processes: list[int], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


if __name__ == "__main__":
    main(sys.argv[1:])
