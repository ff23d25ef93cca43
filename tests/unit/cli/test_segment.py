from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from maskgate.cli.segment import segment

if TYPE_CHECKING:
    from pathlib import Path

PHOTO = "docs/photos/cat.jpg"
NOBODY = "127.0.0.1:1"


@pytest.mark.parametrize(
    ("complaint", "arguments"),
    [
        ("'x.foo' does not end in .png or .jpg or .jpeg", ["--overlay", "x.foo"]),
        ("'mask' does not end in .png", ["-o", "mask"]),
        ("'mask.jpg' does not end in .png", ["-o", "mask.jpg"]),
        ("'nowhere' is not a folder", ["-o", "nowhere/mask.png"]),
        ("'nowhere' is not a folder", ["--overlay", "nowhere/overlay.png"]),
        ("'x.txt' does not end in .json", ["--polygons", "x.txt"]),
        ("the photo and the files to write must be different files", ["-o", "a.png", "--overlay", "./a.png"]),
        ("the photo and the files to write must be different files", ["--overlay", PHOTO]),
        ("101.0 is not in the range 0<=x<=100", ["--polygons", "x.json", "--tolerance", "101"]),
    ],
)
def test_pictures_that_cannot_be_written(complaint: str, arguments: list[str]) -> None:
    """A wrong name for a picture is a line of its own and status 2, before the server is asked."""
    result = CliRunner().invoke(segment, [PHOTO, "--point", "1,1", "--address", NOBODY, *arguments])

    assert 2 == result.exit_code
    assert complaint in result.output.splitlines()[-1]
    assert NOBODY not in result.output


def test_pictures_that_can_be_written(tmp_path: Path) -> None:
    """Good names are no obstacle: the server is asked, and nothing is written where nobody answers."""
    pictures = ["-o", str(tmp_path / "mask.PNG"), "--overlay", str(tmp_path / "overlay.jpg")]
    pictures += ["--polygons", str(tmp_path / "mask.json"), "--tolerance", "1.5"]

    result = CliRunner().invoke(segment, [PHOTO, "--point", "1,1", "--address", NOBODY, *pictures])

    assert 1 == result.exit_code
    assert f"Error: no gateway answers at {NOBODY}; start one with `maskgate up`\n" == result.output
    assert [] == list(tmp_path.iterdir())
