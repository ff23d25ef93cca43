"""Whole runs, tiny: the model is lite0, the photos are rectangles."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from maskforge.errors import InvalidCheckpoint, UnusablePhotos
from maskforge.training.loop import STATE, WEIGHTS, Workplace, train
from maskforge.training.recipe import Recipe
from tests.unit.forge.training.world import TINY, Album, two_photos

pytestmark = pytest.mark.slow


def never() -> bool:
    return False


def after(steps: int) -> Callable[[], bool]:
    """Stop after so many steps."""
    asked: list[None] = []

    def stopped() -> bool:
        asked.append(None)
        return len(asked) >= steps

    return stopped


def run(data: Path, name: str, recipe: Recipe = TINY, stopped: Callable[[], bool] = never) -> bool:
    workplace = Workplace(data / name, data / "cache", threads=1, compiled=False)
    return train(data, recipe, workplace, stopped)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_photos(tmp_path_factory.mktemp("data")).write()


@pytest.fixture(scope="module")
def uninterrupted(data: Path) -> Path:
    """Give the folder of a run that went through."""
    assert run(data, "whole")
    return data / "whole"


@pytest.mark.parametrize("steps", [1, 3])
def test_a_resumed_run_is_the_uninterrupted_one(data: Path, uninterrupted: Path, steps: int) -> None:
    """Bit by bit, whether it is stopped before the thaw, or after it and between two phases."""
    name = f"stopped after {steps}"
    assert not run(data, name, stopped=after(steps))
    assert run(data, name)
    expected, actual = (torch.load(folder / STATE, weights_only=True) for folder in (uninterrupted, data / name))
    assert 5 == actual["step"]
    for part in ("model", "average"):
        for key, tensor in expected[part].items():
            assert torch.equal(tensor, actual[part][key]), key
    weights, resumed = (load_file(folder / WEIGHTS) for folder in (uninterrupted, data / name))
    assert all(torch.equal(tensor, resumed[key]) for key, tensor in weights.items())


def test_a_run_teaches_all_but_the_frozen_blocks(uninterrupted: Path) -> None:
    """The trunk's first blocks are as ImageNet left them, its last and the decoder are not; the average lags behind."""
    state = torch.load(uninterrupted / STATE, weights_only=True)
    model, average = state["model"], state["average"]
    first, last = (f"image_encoder.trunk._blocks.{index}._project_conv.weight" for index in (2, 15))
    assert torch.equal(model[first], average[first])
    for name in (last, "mask_decoder.transformer.layers.0.mlp.lin1.weight", "prompt_map.embed.0.weight"):
        assert not torch.equal(model[name], average[name])


@pytest.mark.usefixtures("uninterrupted")
def test_arithmetic_is_as_before() -> None:
    """What comes after training in the same process has its smallest numbers again."""
    assert torch.tensor(1e-39) / 2 > 0


def test_a_finished_run_is_left_alone(data: Path, uninterrupted: Path) -> None:
    """Asked again, it has nothing to do."""
    before = load_file(uninterrupted / WEIGHTS)
    assert run(data, uninterrupted.name)
    after_it = load_file(uninterrupted / WEIGHTS)
    assert all(torch.equal(tensor, after_it[name]) for name, tensor in before.items())


def test_a_run_with_another_recipe_is_refused(data: Path, uninterrupted: Path) -> None:
    """Its state would be continued by other rules."""
    with pytest.raises(InvalidCheckpoint, match="another recipe or other photos"):
        run(data, uninterrupted.name, replace(TINY, learning_rate=1e-5))


def test_a_run_in_its_first_phase_may_be_prolonged(data: Path) -> None:
    """It ends later, as if it had been meant to; once in the second phase it may not."""
    longer = TINY.with_first_phase(4)
    assert run(data, "longer", longer)
    assert not run(data, "prolonged", stopped=after(2))
    assert run(data, "prolonged", longer)
    expected, actual = (load_file(data / name / WEIGHTS) for name in ("longer", "prolonged"))
    assert all(torch.equal(tensor, actual[name]) for name, tensor in expected.items())
    assert not run(data, "late", stopped=after(4))
    with pytest.raises(InvalidCheckpoint):
        run(data, "late", longer)


def test_a_damaged_state_is_refused(data: Path) -> None:
    """It is said which file, and nothing is overwritten."""
    (data / "damaged").mkdir()
    (data / "damaged" / STATE).write_bytes(b"no state")
    with pytest.raises(InvalidCheckpoint, match=r"state\.pt is damaged"):
        run(data, "damaged")
    assert b"no state" == (data / "damaged" / STATE).read_bytes()


def test_a_folder_without_masks_is_refused(tmp_path: Path) -> None:
    """There is nothing to learn."""
    with pytest.raises(UnusablePhotos, match="no photo of"):
        run(Album(tmp_path).add((16, 16), []).write(), "none")
