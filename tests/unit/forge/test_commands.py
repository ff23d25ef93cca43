"""The command line: what is wrong is told in one line."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner

from maskforge.cli import main
from maskforge.cli.group import ForgeGroup
from maskforge.cli.progress import step_progress
from tests.unit.forge.evaluation.world import photo_of

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

Write = Callable[[str], ForgeGroup]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write the module of a command `x`, and give the group that it is in."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(source: str) -> ForgeGroup:
        name = f"command_{tmp_path.name}"
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
        return ForgeGroup(name="forge", modules={"x": name})

    return write


def run(group: ForgeGroup, *arguments: object) -> Result:
    return CliRunner().invoke(group, list(map(str, arguments)))


@pytest.mark.parametrize("arguments", [(), ("vit_h", "--checkpoint", "x"), ("--help",), ("-v", "--", "--all")])
def test_a_command_that_lacks_a_package_says_so(write: Write, arguments: tuple[str, ...]) -> None:
    """Whatever it is given, the answer is what to install."""
    result = run(write("import a_package_that_is_not_here"), "x", *arguments)

    assert 1 == result.exit_code
    assert "Error: x needs a_package_that_is_not_here: pip install 'maskgate[forge]'\n" == result.stderr


def test_the_help_of_the_others_can_be_read(write: Write) -> None:
    """The list of commands says what one of them lacks."""
    result = run(write("import a_package_that_is_not_here"), "--help")

    assert (0, True) == (result.exit_code, "needs a_package_that_is_not_here" in result.stdout)


def test_a_module_of_our_own_must_be_there(write: Write) -> None:
    """What `pip install` would not bring is a defect, and shown as one."""
    result = run(write("import maskforge.a_module_that_is_not_here"), "x")

    assert isinstance(result.exception, ModuleNotFoundError)


def test_an_error_of_the_system_is_one_line(write: Write) -> None:
    """The last resort names the file, and shows no traceback."""
    source = "import click\n@click.command()\ndef x(): open('nowhere/file')\n"

    result = run(write(source), "x")

    assert (1, "Error: nowhere/file: No such file or directory\n") == (result.exit_code, result.stderr)


@pytest.mark.parametrize("name", ["../vit_b", "-vit", ".hidden", "ViT", "vit b", "", "vit/b", "vit_b\n"])
@pytest.mark.parametrize("command", ["build", "plan"])
def test_a_name_that_makes_no_folder_is_refused(command: str, name: str) -> None:
    """A model's name is no path, no option, and not hidden."""
    result = run(main, command, "--", name)

    assert 2 == result.exit_code
    assert "is no name for a model" in result.stderr


def test_lite0_without_its_weights_asks_for_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside a checkout the committed weights are not there."""
    monkeypatch.chdir(tmp_path)

    result = run(main, "build", "lite0")

    assert 2 == result.exit_code
    assert "name the weights of lite0 with --checkpoint" in result.stderr


@pytest.mark.parametrize(("name", "complaint"), [("junk.pth", "is no file of safetensors"), (".", "is a folder")])
def test_weights_that_lite0_cannot_read_are_told(tmp_path: Path, name: str, complaint: str) -> None:
    """A file of another format, or a folder, is one line; nothing is written."""
    (tmp_path / "junk.pth").write_bytes(b"junk of more than eight bytes")

    result = run(main, "build", "lite0", "--checkpoint", tmp_path / name, "--output", tmp_path / "models")

    assert 1 == result.exit_code
    assert result.stderr.startswith(f"Error: {tmp_path / name} {complaint}")
    assert not (tmp_path / "models").exists()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with one photo and one mask."""
    folder = tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    photo = photo_of(folder / "images", np.ones((8, 8), np.bool_))
    segmentation = dict(photo.annotations[0].encoded)
    segmentation["counts"] = segmentation["counts"].decode()
    image = {"id": 1, "file_name": photo.path.name, "width": 8, "height": 8, "source": "made up"}
    annotation = {"image_id": 1, "segmentation": segmentation, "area": 64}
    catalogue = {"images": [image], "annotations": [annotation]}
    (folder / "annotations.json").write_text(json.dumps(catalogue))
    return folder


def test_a_repository_to_evaluate_must_exist(data: Path) -> None:
    """A wrong folder is a wrong argument."""
    result = run(main, "evaluate", "lite0", "--data", data, "--repository", data / "nope")

    assert 2 == result.exit_code
    assert f"'{data / 'nope'}' does not exist" in result.stderr


def test_a_repository_to_evaluate_must_hold_the_model(data: Path) -> None:
    """The error says what is missing and how to make it."""
    result = run(main, "evaluate", "lite0", "--data", data, "--repository", data, "--processes", 1)

    missing = data / "lite0_encoder" / "1" / "model.onnx"
    told = f"Error: {missing} does not exist: build the model with `maskforge build` first\n"
    assert (1, told) == (result.exit_code, result.stderr)


class Terminal(io.StringIO):
    """A stream that says that somebody is looking."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("steps", [["load", "export", "compare"], ["load"], []], ids=["all", "resumed", "none"])
def test_a_bar_is_full_at_the_end_only(steps: list[str]) -> None:
    """A step that has begun is not done; a build that goes on where another stopped ends at 100 % too."""
    terminal = Terminal()
    with step_progress("build", 3, terminal) as begin:
        for step in steps:
            begin(step)
        assert "100%" not in terminal.getvalue()

    assert all(step in terminal.getvalue() for step in steps)
    assert "100%" in terminal.getvalue()


def test_a_bar_that_is_broken_off_is_not_full() -> None:
    """What failed in its last step was not done."""
    terminal = Terminal()

    def build() -> None:
        with step_progress("build", 1, terminal) as begin:
            begin("load")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build()

    assert "100%" not in terminal.getvalue()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--url", "http://127.0.0.1:1", "--repository", "."), "exclude each other"),
        (("--url", "http://127.0.0.1:1", "--proposals"), "no service gives"),
    ],
)
def test_what_cannot_be_evaluated_together_is_refused(data: Path, options: tuple[str, ...], told: str) -> None:
    """One subject at a time, and of a service only what it answers."""
    result = run(main, "evaluate", "lite0", "--data", data, *options)

    assert (2, True) == (result.exit_code, told in result.stderr)


def test_a_service_that_is_away_is_told(data: Path) -> None:
    """The error names the address."""
    result = run(main, "evaluate", "lite0", "--data", data, "--url", "http://127.0.0.1:1", "--processes", 1)

    assert (1, True) == (result.exit_code, "http://127.0.0.1:1 cannot be reached" in result.stderr)


@pytest.mark.slow
def test_an_evaluation_leaves_its_report(data: Path, tmp_path: Path) -> None:
    """The committed lite0 is measured on one mask, with the baselines beside it."""
    output = tmp_path / "out"
    result = run(main, "evaluate", "lite0", "--data", data, "--baselines", "--processes", 1, "--output", output)

    assert 0 == result.exit_code, result.output
    assert result.stdout.strip() == (output / "report.md").read_text().strip()
    assert {"report.md", "figures.json", "contact-sheet.png"} == {path.name for path in output.iterdir()}
    assert 1 == json.loads((output / "figures.json").read_text())["sources"]["made up"]["masks"]
