from __future__ import annotations

import logging
import os
import sys
import time
from pathlib import Path

import pytest

from maskforge.engines.programs import run
from maskforge.errors import ToolFailed


def python(script: str) -> list[str]:
    return [sys.executable, "-c", script]


def test_output_is_returned_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    """What a program says, on either stream, is returned as a whole and logged line by line."""
    caplog.set_level(logging.INFO)

    said = run(python("import sys; print('one', flush=True); print('two', file=sys.stderr)"), seconds=30)

    assert "one\ntwo\n" == said
    assert ["one", "two"] == caplog.messages


def test_output_is_logged_while_the_program_runs(caplog: pytest.LogCaptureFixture) -> None:
    """A build of an hour shows where it is: a line is logged when it is said, not at the end."""
    caplog.set_level(logging.INFO)

    run(python("import time; print('one', flush=True); time.sleep(0.5); print('two')"), seconds=30)

    first, second = caplog.records
    assert second.created - first.created > 0.3


def test_it_runs_where_it_is_told_to(tmp_path: Path) -> None:
    """Relative names among the arguments are meant within the given folder."""
    run(python("open('here', 'w').close()"), seconds=30, folder=tmp_path)

    assert [tmp_path / "here"] == list(tmp_path.iterdir())


def test_a_failure_repeats_the_lines_marked_as_errors() -> None:
    """Of the thousand lines that trtexec writes, the error repeats those that say what went wrong."""
    script = "print('[I] fine'); print('[E] Error[4]: no'); print('&&&& FAILED'); raise SystemExit(3)"

    with pytest.raises(ToolFailed, match=r"ended with status 3: \[E\] Error\[4\]: no$"):
        run(python(script), seconds=30)


def test_a_failure_without_marks_repeats_the_last_lines() -> None:
    """A program that marks nothing is quoted from its end."""
    with pytest.raises(ToolFailed, match=r"ended with status 1: one / two$"):
        run(python("print('one'); print('two'); raise SystemExit(1)"), seconds=30)


def test_a_silent_failure_says_so() -> None:
    """An error is a sentence also for a program that said nothing."""
    with pytest.raises(ToolFailed, match=r"ended with status 1: it said nothing$"):
        run(python("raise SystemExit(1)"), seconds=30)


def test_a_missing_program_is_named() -> None:
    """A program that is not there is an error of ours, with its name."""
    with pytest.raises(ToolFailed, match=r"^no-such-program cannot be started: No such file or directory$"):
        run(["no-such-program"], seconds=30)


def test_a_program_that_takes_too_long_is_stopped_with_its_children(tmp_path: Path) -> None:
    """Neither the program nor what it started outlives its time."""
    child = tmp_path / "child"
    script = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open({str(child)!r}, "w").write(str(child.pid))
time.sleep(60)
"""
    start = time.monotonic()

    with pytest.raises(ToolFailed, match=r"was stopped: it had not finished after 1\.5 s$"):
        run(python(script), seconds=1.5)

    assert time.monotonic() - start < 30
    assert not alive(int(child.read_text(encoding="utf-8")))


def alive(pid: int) -> bool:
    """Whether a process still runs; one that nobody has waited for yet does not."""
    for _ in range(50):
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z":
                return False
        except (ProcessLookupError, FileNotFoundError):
            return False
        time.sleep(0.1)
    return True
