import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from maskforge.cli import main
from maskforge.cli.training import signalled
from maskforge.lite0.model import load_lite0
from tests.unit.forge.training.world import Album, two_photos


@pytest.fixture
def soon() -> Iterator[None]:
    """Send SIGTERM to this very process, after a while that no first step takes less than."""
    before = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGTERM))
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    yield
    signal.signal(signal.SIGALRM, before)


@pytest.mark.slow
@pytest.mark.usefixtures("soon")
def test_the_command_saves_when_it_is_stopped(tmp_path: Path) -> None:
    """The step that is under way is finished; weights load, and there is a state to go on from."""
    data, folder = two_photos(tmp_path).write(), tmp_path / "run"
    options = ["--data", data, "--run", folder, "--cache", tmp_path / "cache", "--no-compile", "--threads", 1]
    result = CliRunner().invoke(main, ["train", *map(str, options)])
    assert (1, f"Error: stopped; the same command goes on with {folder}\n") == (result.exit_code, result.stderr)
    load_lite0(folder / "weights.safetensors")
    assert 1 == torch.load(folder / "state.pt", weights_only=True)["step"]
    with Image.open(folder / "curve.png") as curve:
        assert "PNG" == curve.format


def test_a_folder_without_masks_is_one_line(tmp_path: Path) -> None:
    """It is told without a traceback."""
    data = Album(tmp_path).add((16, 16), []).write()
    result = CliRunner().invoke(main, ["train", "--data", str(data), "--run", str(tmp_path / "run")])
    assert (1, f"Error: no photo of {data} has a mask of 0.05% of its pixels\n") == (result.exit_code, result.stderr)


def test_a_signal_is_noted_and_the_next_one_acts() -> None:
    """The first asks to stop; what was there before is there again for the second, and afterwards."""
    seen: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: seen.append(number))
    with signalled() as stopped:
        assert not stopped()
        signal.raise_signal(signal.SIGTERM)
        assert (True, []) == (stopped(), seen)
        signal.raise_signal(signal.SIGTERM)
        assert [signal.SIGTERM] == seen
    signal.raise_signal(signal.SIGTERM)
    assert 2 == len(seen)
    signal.signal(signal.SIGTERM, before)
