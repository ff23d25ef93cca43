"""What a build takes, and what is there for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from maskforge.errors import CannotWrite, NotEnoughSpace
from maskforge.export.room import require_disk, require_memory
from maskforge.sam.precision import Precision

if TYPE_CHECKING:
    from pathlib import Path

LITE0, VIT_B, VIT_H = 5_000_000, 93_735_472, 641_090_608
GIB = 1 << 30


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A machine with 64 GiB of free memory, and a container without a limit."""
    (tmp_path / "meminfo").write_text(f"MemTotal: 999 kB\nMemAvailable:    {64 << 20} kB\n", encoding="ascii")
    limit(tmp_path, "max")
    return tmp_path


def limit(machine: Path, most: int | str, used: int = 0, cached: int = 0) -> None:
    (machine / "memory.max").write_text(f"{most}\n", encoding="ascii")
    (machine / "memory.current").write_text(f"{used}\n", encoding="ascii")
    (machine / "memory.stat").write_text(f"anon 1\ninactive_file {cached}\n", encoding="ascii")


@pytest.mark.parametrize(("parameters", "takes"), [(LITE0, r"1\.5"), (VIT_B, r"3\.5"), (VIT_H, r"10\.5")])
def test_a_build_takes_what_was_measured(machine: Path, parameters: int, takes: str) -> None:
    """The error says how much memory the build takes, with some to spare for a small model, and how much there is."""
    (machine / "meminfo").write_text("MemAvailable:    524288 kB\n", encoding="ascii")

    with pytest.raises(NotEnoughSpace, match=rf"takes {takes} GiB of memory, of which 0\.5 are free"):
        require_memory(parameters, machine / "meminfo", machine)


def test_a_containers_limit_counts(machine: Path) -> None:
    """What the host has free does not help a container that may not have it."""
    limit(machine, 12 * GIB, used=8 * GIB, cached=2 * GIB)

    with pytest.raises(NotEnoughSpace, match=r"of which 6\.0 are free"):
        require_memory(VIT_H, machine / "meminfo", machine)


def test_files_in_memory_make_room(machine: Path) -> None:
    """A container that has just downloaded the weights is not full of them."""
    limit(machine, 12 * GIB, used=11 * GIB, cached=10 * GIB)

    require_memory(VIT_H, machine / "meminfo", machine)


def test_a_container_may_have_no_limit(machine: Path) -> None:
    """Then the machine's memory is what there is."""
    require_memory(VIT_H, machine / "meminfo", machine)


def test_where_nothing_tells_it_is_tried(tmp_path: Path) -> None:
    """A kernel without these files refuses nothing."""
    require_memory(VIT_H, tmp_path / "meminfo", tmp_path / "cgroup")


@pytest.mark.parametrize(("precision", "takes"), [(Precision.FP32, "4200000.0"), (Precision.BF16, "2100000.0")])
def test_a_graph_takes_what_its_numbers_take(tmp_path: Path, precision: Precision, takes: str) -> None:
    """The disk must hold every parameter in the precision of the graph, however it is stored in the checkpoint."""
    with pytest.raises(NotEnoughSpace, match=f"takes {takes} GiB of disk"):
        require_disk(tmp_path / "new", 10**6 * GIB, precision)


def test_a_repository_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A file in the place of a folder is an error of its own."""
    (tmp_path / "file").touch()

    with pytest.raises(CannotWrite, match="file/models cannot be written: Not a directory"):
        require_disk(tmp_path / "file" / "models", VIT_B, Precision.BF16)
