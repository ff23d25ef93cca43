from __future__ import annotations

import hashlib
import io
import random
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from maskforge.cli import main
from maskforge.cli.progress import byte_progress
from tests.unit.forge.checkpoints.mirror import Answer, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

    from tests.unit.forge.checkpoints.mirror import Mirror

BYTES = random.Random(3).randbytes(2 << 20)  # noqa: S311
DIGEST = hashlib.sha256(BYTES).hexdigest()
NAME = "sam_vit_b_01ec64.pth"


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with serving(BYTES) as running:
        yield running


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["pull", "vit_b", *map(str, arguments)])


def test_a_checkpoint_is_pulled(tmp_path: Path, mirror: Mirror) -> None:
    """The path is printed, for the next command to take; how far it has come is told beside it."""
    result = _run("--mirror", mirror.url, "--sha256", DIGEST, "--output", tmp_path)

    assert (0, f"{tmp_path / NAME}\n") == (result.exit_code, result.stdout)
    assert BYTES == (tmp_path / NAME).read_bytes()
    assert f"{NAME}: 100 % of 2 MiB" == result.stderr.splitlines()[-1]


def test_mirrors_are_asked_in_order(tmp_path: Path, mirror: Mirror) -> None:
    """The second mirror is asked where the first has not got the file."""
    with serving(BYTES) as empty:
        empty.will(Answer(status=404))
        result = _run("--mirror", empty.url, "--mirror", f"{mirror.url}/", "--sha256", DIGEST, "--output", tmp_path)

    assert 0 == result.exit_code
    assert [f"/files/{NAME}"] == [request.path for request in empty.asked] == [request.path for request in mirror.asked]


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_local_file_is_taken(tmp_path: Path, scheme: str) -> None:
    """Without a network, a file from elsewhere is checked and copied; its path may be an address."""
    source = tmp_path / "from elsewhere.pth"
    source.write_bytes(BYTES)
    address = f"{scheme}{source}".replace(" ", "%20" if scheme else " ")

    result = _run("--from", address, "--sha256", f"SHA256:{DIGEST.upper()}", "--output", tmp_path / "new")

    assert (0, f"{tmp_path / 'new' / NAME}\n") == (result.exit_code, result.stdout)
    assert BYTES == (tmp_path / "new" / NAME).read_bytes()


def test_other_bytes_than_metas_are_refused(tmp_path: Path, mirror: Mirror) -> None:
    """Without a digest Meta's is expected; the error is one line and status 1, and nothing is left."""
    result = _run("--mirror", mirror.url, "--output", tmp_path)

    assert (1, "") == (result.exit_code, result.stdout)
    last = result.stderr.splitlines()[-1]
    assert last.startswith(f"Error: {mirror.url}: ")
    assert f"its digest is sha256:{DIGEST}, not sha256:ec2df627" in last
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("complaint", "arguments"),
    [
        ("'ftp://somewhere' does not begin with http:// or https://", ["--mirror", "ftp://somewhere"]),
        ("64 hexadecimal digits are expected", ["--sha256", "4b8939"]),
        ("File 'nowhere.pth' does not exist", ["--from", "nowhere.pth"]),
        ("--mirror and --from exclude each other", ["--mirror", "http://somewhere", "--from", __file__]),
    ],
)
def test_what_makes_no_sense_is_refused(complaint: str, arguments: list[str]) -> None:
    """A wrong argument is told before anything is done."""
    result = _run(*arguments)

    assert 2 == result.exit_code
    assert complaint in result.stderr


class Terminal(io.StringIO):
    """A stream that says that somebody is looking."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_a_bar() -> None:
    """On a terminal one line is drawn over and over; where a download starts again, so does the bar."""
    terminal = Terminal()
    with byte_progress("sam.pth", terminal) as progress:
        for done in (50, 0, 75, 100):
            progress(done, 100)

    assert terminal.getvalue().count("\n") == 1
    assert "sam.pth" in terminal.getvalue()
    assert terminal.getvalue().index("75%") < terminal.getvalue().index("100%")


def test_a_log_shows_lines() -> None:
    """Elsewhere a line comes every ten percent, and none where nobody knows how much there is."""
    log = io.StringIO()
    with byte_progress("sam.pth", log) as progress:
        for done in range(0, 1001, 5):
            progress(done << 20, 1000 << 20)
        progress(5, None)

    assert [f"sam.pth: {percent} % of 1000 MiB" for percent in range(0, 101, 10)] == log.getvalue().splitlines()


def test_nothing_is_shown_where_nothing_is_done() -> None:
    """A file that was there already makes no bar."""
    terminal = Terminal()
    with byte_progress("sam.pth", terminal):
        pass

    assert "" == terminal.getvalue()
