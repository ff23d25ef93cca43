from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from maskforge.engines.files import borrowed, digest, graph_digest, write_text, written_beside

if TYPE_CHECKING:
    from pathlib import Path


def written(text: str, path: Path) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_appears_once_it_is_complete(tmp_path: Path) -> None:
    """While a file is written, its name still holds what was there before."""
    path = tmp_path / "file"
    path.write_text("old", encoding="utf-8")

    with written_beside(path) as fresh:
        fresh.write_text("new", encoding="utf-8")
        assert "old" == path.read_text(encoding="utf-8")

    assert "new" == path.read_text(encoding="utf-8")
    assert [path] == list(tmp_path.iterdir())


def test_who_reads_while_a_file_is_replaced_reads_the_old_one(tmp_path: Path) -> None:
    """The new file takes the old one's name, not its bytes: a plan may be in use."""
    path = written("old", tmp_path / "file")

    with path.open(encoding="utf-8") as reader:
        write_text(path, "new")
        assert "old" == reader.read()

    assert "new" == path.read_text(encoding="utf-8")


def test_a_failed_write_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    """Half a file is nowhere, neither under its name nor beside it."""
    path = tmp_path / "file"
    path.write_text("old", encoding="utf-8")

    with pytest.raises(FileNotFoundError), written_beside(path) as fresh:
        shutil.copyfile(tmp_path / "missing", written("ne", fresh))

    assert "old" == path.read_text(encoding="utf-8")
    assert [path] == list(tmp_path.iterdir())


def test_a_borrowed_file_goes_back(tmp_path: Path) -> None:
    """Work happens on a copy, which replaces the original at the end; the first time there is none."""
    original, copy = tmp_path / "cache" / "original", tmp_path / "copy"

    for expected in (False, True):
        with borrowed(original, copy):
            assert expected is copy.exists()
            copy.write_text("measured", encoding="utf-8")
        copy.unlink()

    assert "measured" == original.read_text(encoding="utf-8")


def test_a_borrowed_file_stays_as_it_was_if_the_work_fails(tmp_path: Path) -> None:
    """What a killed builder has left is not kept."""
    original, copy = tmp_path / "original", tmp_path / "copy"
    original.write_text("good", encoding="utf-8")

    with pytest.raises(FileNotFoundError), borrowed(original, copy):
        shutil.copyfile(tmp_path / "missing", written("half", copy))

    assert "good" == original.read_text(encoding="utf-8")


def test_a_digest_names_its_algorithm(tmp_path: Path) -> None:
    """Digests are written as everywhere else in the house."""
    path = tmp_path / "empty"
    path.touch()

    assert "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" == digest(path)


@pytest.mark.parametrize("changed", ["model.onnx", "model.onnx.data"])
def test_a_graphs_digest_covers_the_weights_outside_it(changed: str, tmp_path: Path) -> None:
    """Of a graph over 2 GB nearly everything is in the file beside it."""
    for name in ("model.onnx", "model.onnx.data", "model.plan"):
        (tmp_path / name).write_text("1", encoding="utf-8")
    before = graph_digest(tmp_path / "model.onnx")

    (tmp_path / "model.plan").write_text("2", encoding="utf-8")
    assert before == graph_digest(tmp_path / "model.onnx")

    (tmp_path / changed).write_text("2", encoding="utf-8")
    assert before != graph_digest(tmp_path / "model.onnx")
