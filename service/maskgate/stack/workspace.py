"""The run directory of one stack, and the reaper that outlives the stack's process to clear up after it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from maskgate.stack import reaper

if TYPE_CHECKING:
    from types import TracebackType

REAPER_SECONDS = reaper.GRACE_SECONDS + reaper.KILL_SECONDS + 5.0


class Workspace:
    """A private directory (0700) that is gone, with everything that ran in it, when the stack's process is gone."""

    def __init__(self) -> None:
        """Creates the directory and starts the reaper."""
        self._began = time.time()
        self.directory = Path(tempfile.mkdtemp(prefix="maskgate-"))
        self._reaper = subprocess.Popen(  # noqa: S603 - a command line of ours
            [sys.executable, "-I", "-S", reaper.__file__, str(self.directory)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Lets the reaper do its work, and does it here should somebody have killed the reaper."""
        try:
            self._reaper.communicate(timeout=REAPER_SECONDS)
        except subprocess.TimeoutExpired:
            self._reaper.kill()
            self._reaper.wait(reaper.KILL_SECONDS)
        if self.directory.exists():
            reaper.tidy(self.directory, began=self._began)
