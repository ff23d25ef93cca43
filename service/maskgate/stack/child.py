"""A running component: its process, that process's descendants, and its log."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from maskgate.stack import launch, logs, reaper

if TYPE_CHECKING:
    from pathlib import Path

    from maskgate.stack.component import Component


class Child:
    """The process of one component, started by the constructor in a session of its own.

    The session keeps a terminal's Ctrl-C away from it: the stack stops its components itself, in order.
    """

    def __init__(self, component: Component, *, run_directory: Path) -> None:
        """Starts the program; its output is appended to `<run directory>/<component>.log`."""
        self.component = component
        self._mark = run_directory / component.name
        self._log = logs.path_of(component.name, directory=run_directory)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - a command line of ours
                with_parent_death_signal(component.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **component.environment, reaper.MARK: str(self._mark), "TMPDIR": str(run_directory)},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """None while it runs; minus the signal's number if a signal ended it."""
        return self._process.poll()

    @property
    def how_it_ended(self) -> str:
        """Its exit status in words, once it has one."""
        status = self._process.poll()
        if status is not None and status < 0:
            return signal.Signals(-status).name
        return f"exit status {status}"

    def log_tail(self) -> str:
        """The last lines of its log."""
        return logs.tail(self._log)

    def stop(self) -> None:
        """Asks it to end, kills it after the component's bound, and ends whatever it has left running."""
        self._process.terminate()
        try:
            self._process.wait(self.component.stop_seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(reaper.KILL_SECONDS)
        reaper.end_processes(self._mark, grace=0)


def with_parent_death_signal(command: tuple[str, ...]) -> list[str]:
    """Wraps a command so that it ends with this process.

    The kernel sends the signal when the *thread* that forked ends, so only the main thread, which ends with the
    process, may ask for it. What other threads start is left to the reaper.
    """
    if threading.current_thread() is not threading.main_thread():
        return list(command)
    return [sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), *command]
