from __future__ import annotations

import os
import subprocess
import sys
import threading

from maskgate.stack import launch
from maskgate.stack.child import with_parent_death_signal

SAY_HELLO = (sys.executable, "-c", "print('hello')")


def launched_by(parent: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, launch.__file__, str(parent), *SAY_HELLO]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_the_program_is_run() -> None:
    """The launcher turns into the program."""
    assert (0, "hello\n") == (launched_by(os.getpid()).returncode, launched_by(os.getpid()).stdout)


def test_an_orphan_is_not_started() -> None:
    """A launcher whose parent has died before it could ask for the signal starts nothing."""
    result = launched_by(os.getppid())

    assert (1, "") == (result.returncode, result.stdout)


def test_only_the_main_thread_asks_for_the_signal() -> None:
    """A thread may end long before the process, and the signal would come then."""
    commands: list[list[str]] = []
    thread = threading.Thread(target=lambda: commands.append(with_parent_death_signal(SAY_HELLO)))
    thread.start()
    thread.join(timeout=10)

    assert [list(SAY_HELLO)] == commands
    assert launch.__file__ in with_parent_death_signal(SAY_HELLO)
