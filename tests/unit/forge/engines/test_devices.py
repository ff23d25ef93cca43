from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from maskforge.engines.devices import Gpu, only_gpu, visible_gpu
from maskforge.errors import ToolFailed
from tests.unit.forge.engines.world import install

if TYPE_CHECKING:
    from pathlib import Path


def test_a_gpu_is_its_name_and_compute_capability() -> None:
    """The driver's line is a name, which may hold a comma, and a compute capability."""
    assert Gpu("NVIDIA A100-SXM4-40GB, rev 2", "8.0") == only_gpu("NVIDIA A100-SXM4-40GB, rev 2, 8.0\n")


def test_several_gpus_of_one_model_are_one() -> None:
    """A machine of eight equal GPUs needs one plan."""
    assert Gpu("NVIDIA L4", "8.9") == only_gpu("NVIDIA L4, 8.9\n" * 8)


def test_gpus_of_two_models_are_refused() -> None:
    """Which of two models a plan would be for cannot be told, even if their compute capability is the same."""
    with pytest.raises(ToolFailed, match=r"one GPU model, and the driver shows NVIDIA L4, NVIDIA L40S$"):
        only_gpu("NVIDIA L40S, 8.9\nNVIDIA L4, 8.9\n")


def test_no_gpu_is_refused() -> None:
    """A driver that shows nothing is an error."""
    with pytest.raises(ToolFailed, match=r"the driver shows none$"):
        only_gpu("\n")


@pytest.mark.parametrize("answer", ["No devices were found", "NVIDIA L4, [N/A]", "NVIDIA L4"])
def test_an_answer_that_is_no_gpu_is_quoted(answer: str) -> None:
    """What the driver said instead of a name and a compute capability is in the error."""
    with pytest.raises(ToolFailed) as caught:
        only_gpu(answer + "\n")

    assert str(caught.value).endswith(answer)


def test_the_slug_can_be_a_file_name() -> None:
    """A name's blanks and slashes do not reach the file system."""
    assert "nvidia-rtx-pro-6000-blackwell" == Gpu("NVIDIA RTX PRO 6000 / Blackwell ", "12.0").slug


def test_the_driver_is_asked_through_its_program(tmp_path: Path) -> None:
    """`nvidia-smi` is asked for the two facts, without a heading or units."""
    script = tmp_path / "smi.py"
    script.write_text(
        "import sys\n"
        "assert sys.argv[1:] == ['--query-gpu=name,compute_cap', '--format=csv,noheader'], sys.argv\n"
        "print('NVIDIA H100 80GB HBM3, 9.0')\n",
        encoding="utf-8",
    )

    assert Gpu("NVIDIA H100 80GB HBM3", "9.0") == visible_gpu(str(install(tmp_path / "bin", "nvidia-smi", script)))
