from __future__ import annotations

import os
import signal
import stat
from pathlib import Path

from maskgate.stack import EmbeddedStack, StackConfig, reaper
from tests.integration.stack.holding import held_stack, wait_until

VALKEY_ONLY = StackConfig(triton=False)


def directory_of(stack: EmbeddedStack) -> Path:
    return Path(stack.endpoints.redis.removeprefix("unix://")).parent


def test_a_closed_stack_is_gone() -> None:
    """Leaving the context ends the processes and deletes the files."""
    with EmbeddedStack(VALKEY_ONLY) as stack:
        directory = directory_of(stack)
        processes = reaper.find_processes(directory)

    assert 1 == len(processes)
    assert [] == reaper.find_processes(directory)
    assert not directory.exists()


def test_the_run_directory_is_private() -> None:
    """Nobody else may enter the run directory."""
    with EmbeddedStack(VALKEY_ONLY) as stack:
        mode = directory_of(stack).stat().st_mode

    assert 0o700 == stat.S_IMODE(mode)


def test_sigterm_ends_everything() -> None:
    """A program that supervises a stack ends it in order on SIGTERM, with exit status 0."""
    with held_stack() as held:
        held.holder.terminate()
        status = held.holder.wait(timeout=30)

    assert (0, [], []) == (status, held.processes(), held.files())


def test_a_killed_parent_leaves_nothing() -> None:
    """After kill -9 of the parent neither process nor file is left."""
    with held_stack() as held:
        assert held.processes()
        held.holder.kill()

        assert wait_until(held.is_gone)


def test_a_killed_parent_takes_a_stuck_child_along() -> None:
    """A child that cannot react to the signal of its parent's death is killed by the reaper."""
    with held_stack() as held:
        for process in held.processes():
            os.kill(process, signal.SIGSTOP)
        held.holder.kill()

        assert wait_until(held.is_gone)


def test_a_killed_reaper_is_made_up_for() -> None:
    """Without its reaper a stack that is closed clears up by itself."""
    with EmbeddedStack(VALKEY_ONLY) as stack:
        directory = directory_of(stack)
        reapers = [int(p.name) for p in Path("/proc").glob("[0-9]*") if is_reaper_of(directory, p)]
        for process in reapers:
            os.kill(process, signal.SIGKILL)

    assert 1 == len(reapers)
    assert ([], False) == (reaper.find_processes(directory), directory.exists())


def is_reaper_of(directory: Path, process: Path) -> bool:
    try:
        command = process.joinpath("cmdline").read_bytes()
    except OSError:
        return False
    return b"reaper.py\0" + os.fsencode(directory) in command
