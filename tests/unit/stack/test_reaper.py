from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from maskgate.stack import reaper

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_000_000.0


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """What Tritons have left in /tmp: an old folder, one that is in use, and one of this stack's lifetime."""
    for name, made_at in {"python_env_old": NOW - 1, "python_env_used": NOW + 1, "python_env_new": NOW + 1}.items():
        folder = tmp_path / "tmp" / name
        folder.mkdir(parents=True)
        if name == "python_env_used":
            (folder / "0").mkdir()
        os.utime(folder, (made_at, made_at))
    return tmp_path / "tmp"


def process(folder: Path, *, command: bytes) -> Path:
    """A process table with one process."""
    (folder / "proc" / "42").mkdir(parents=True)
    (folder / "proc" / "42" / "cmdline").write_bytes(command)
    return folder / "proc"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_forgotten_folder_is_deleted(folders: Path, tmp_path: Path) -> None:
    """The empty folder that a killed Triton forgot is deleted; older ones and ones with content stay."""
    processes = process(tmp_path, command=b"/usr/bin/python3\0tritonserver\0")

    reaper.delete_forgotten_folders(since=NOW, parent=folders, processes=processes)

    assert ["python_env_old", "python_env_used"] == names(folders)


def test_folders_stay_while_a_triton_runs(folders: Path, tmp_path: Path) -> None:
    """A folder may be that of another Triton, as long as there is one."""
    processes = process(tmp_path, command=b"/opt/tritonserver/bin/tritonserver\0--model-repository=/models\0")

    reaper.delete_forgotten_folders(since=NOW, parent=folders, processes=processes)

    assert ["python_env_new", "python_env_old", "python_env_used"] == names(folders)


def test_a_stack_without_processes_and_files_is_tidy(tmp_path: Path) -> None:
    """Clearing up what is gone already does nothing."""
    reaper.tidy(tmp_path / "maskgate-gone", began=NOW)

    assert [] == names(tmp_path)
