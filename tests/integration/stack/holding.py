"""A stack in another process, which a test may kill."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from maskgate.stack import reaper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROGRAM = Path(__file__).with_name("hold_stack.py")
WAIT_SECONDS = 30.0


@dataclass(frozen=True)
class HeldStack:
    holder: subprocess.Popen[str]
    run_directory: Path

    def processes(self) -> list[int]:
        """The stack's processes that are left."""
        return reaper.find_processes(self.run_directory)

    def files(self) -> list[Path]:
        """The stack's files that are left."""
        run_directory = [self.run_directory] if self.run_directory.exists() else []
        return run_directory + list(reaper.SHARED_MEMORY.glob(f"{self.run_directory.name}*"))

    def is_gone(self) -> bool:
        return not self.processes() and not self.files()


@contextmanager
def held_stack(*arguments: str) -> Iterator[HeldStack]:
    """Starts a stack in a process of its own and waits until it is ready."""
    with subprocess.Popen([sys.executable, PROGRAM, *arguments], stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            yield HeldStack(holder, Path(holder.stdout.readline().strip()))
        finally:
            holder.kill()


def wait_until(condition: Callable[[], bool]) -> bool:
    """Whether the condition has come true within a generous time."""
    end = time.monotonic() + WAIT_SECONDS
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
