from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from maskgate.adapters.key_file import KeyFile
from maskgate.cli import main
from maskgate.domain.api_key import ApiKey
from maskgate.domain.tenant import Limits, Tenant

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["keys", *map(str, arguments)])


def test_a_new_key_is_printed_and_known(tmp_path: Path) -> None:
    """The one line that is printed is a key that a gateway with the file knows, with the limits that were given."""
    path = tmp_path / "keys.jsonl"

    printed = run("new", "--tenant", "acme", "--file", path, "--calls-per-second", 2.5, "--cache-bytes", 10).output

    key = ApiKey.parse(printed.strip())
    assert key is not None
    assert Tenant("acme", Limits(calls_per_second=2.5, cache_bytes=10)) == KeyFile(path).tenant_of(key)


def test_keys_are_listed_without_secrets(tmp_path: Path) -> None:
    """A list shows whose keys there are and their limits."""
    path = tmp_path / "keys.jsonl"
    keys = [run("new", "--tenant", name, "--file", path, *more).output.strip() for name, more in LISTED.items()]

    listed = run("list", "--file", path).output

    assert [["acme", "no limits"], ["other", "calls_per_second 5.0"]] == [
        line.split(maxsplit=2)[1:] for line in listed.splitlines()
    ]
    assert [] == [key for key in keys if key[12:] in listed]


LISTED = {"acme": [], "other": ["--calls-per-second", 5]}


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["new", "--tenant", "a:b"], 2),
        (["new", "--tenant", "a", "--cache-bytes", 0], 2),
        (["new", "--tenant", "a", "--file", "/nowhere/keys"], 1),
        (["list", "--file", "/nowhere/keys"], 1),
    ],
)
def test_mistakes_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[object], status: int
) -> None:
    """What cannot be done is said in a line, and no key is printed."""
    monkeypatch.chdir(tmp_path)

    result = run(*arguments)

    assert status == result.exit_code
    assert "Error: " in result.output
    assert "mg_" not in result.output
