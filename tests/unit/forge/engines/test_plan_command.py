from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from maskforge.cli.plan import plan
from maskforge.errors import PlanMismatch, ToolFailed
from tests.unit.forge.engines import fake_trtexec
from tests.unit.forge.engines.world import install, write_model


@pytest.fixture(name="machine")
def _machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with an L4, `trtexec` on PATH and the model `tiny`."""
    smi = tmp_path / "smi.py"
    smi.write_text("print('NVIDIA L4, 8.9')\n", encoding="utf-8")
    install(tmp_path / "bin", "nvidia-smi", smi)
    install(tmp_path / "bin", "trtexec", Path(str(fake_trtexec.__file__)))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    write_model(tmp_path / "models")
    return tmp_path


def invoke(*arguments: str | Path) -> str:
    return CliRunner().invoke(plan, list(map(str, arguments)), catch_exceptions=False).output


def test_plans_are_built_and_then_fit(machine: Path) -> None:
    """The command builds, checks and publishes with the programs of the machine, and finds its own work right."""
    models = machine / "models"
    expected = "".join(f"{models}/tiny_{part}/1/model.plan\n" for part in ("decoder", "decoder_multi", "encoder"))

    assert expected == invoke("tiny", "--repository", models, "--cache", machine / "cache", "--workspace", "512")
    assert expected == invoke("tiny", "--repository", models, "--verify")
    assert b"measured" == (machine / "cache" / "nvidia-l4_tensorrt-10.13.3.9.timing").read_bytes()


def test_paths_may_be_relative(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the default is: a plan is run from another working directory, and found all the same."""
    monkeypatch.chdir(machine)

    assert "models/tiny_encoder/1/model.plan\n" in invoke(
        "tiny", "--repository", "models", "--trtexec", "bin/trtexec", "--cache", "cache"
    )


def test_verifying_builds_nothing(machine: Path) -> None:
    """Before Triton starts, a plan that is missing is an error and not an hour of work."""
    with pytest.raises(PlanMismatch, match=r"tiny_decoder's plan: there is no plan\.json"):
        invoke("tiny", "--repository", machine / "models", "--verify")

    assert [] == list(machine.glob("models/*/1/model.plan"))


def test_a_machine_without_a_driver_is_told_so(machine: Path) -> None:
    """Where there is no GPU, the error says which program is missing."""
    (machine / "bin" / "nvidia-smi").unlink()

    with pytest.raises(ToolFailed, match="nvidia-smi cannot be started"):
        invoke("tiny", "--repository", machine / "models")
