from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from maskgate.adapters.key_file import KeyFile, KeyFileError, add_key, read_keys
from maskgate.domain.api_key import ApiKey, KnownKey
from maskgate.domain.tenant import Limits, Tenant

if TYPE_CHECKING:
    from pathlib import Path

ACME = Tenant("acme", Limits(calls_per_second=2.5, cache_bytes=10))
OTHER = Tenant("other")


def added(path: Path, tenant: Tenant) -> ApiKey:
    key = ApiKey.new()
    add_key(path, KnownKey(key.id, key.digest, tenant))
    return key


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.jsonl"


def test_keys_lead_to_their_tenants(path: Path) -> None:
    """What was added is found, with its limits; what was not is nobody's, nor is another secret under a known id."""
    acme, other = added(path, ACME), added(path, OTHER)
    forged = ApiKey(acme.id, other.secret)

    keys = KeyFile(path)

    assert [ACME, OTHER, None, None] == [keys.tenant_of(each) for each in (acme, other, ApiKey.new(), forged)]


def test_a_file_holds_no_secret(path: Path) -> None:
    """The file is of no use to who reads it, and only its owner may."""
    key = added(path, ACME)

    assert key.secret not in path.read_text()
    assert 0o600 == path.stat().st_mode & 0o777


def test_a_last_line_without_its_end(path: Path) -> None:
    """A key is added to a file that an editor or a secret has left without a last newline; both keys count."""
    acme = added(path, ACME)
    path.write_text(path.read_text().rstrip("\n"))
    other = added(path, OTHER)

    keys = KeyFile(path)

    assert [ACME, OTHER] == [keys.tenant_of(each) for each in (acme, other)]
    assert 2 == len(path.read_text().splitlines())


def test_new_keys_are_seen(path: Path) -> None:
    """A key that is added or deleted while the gateway runs counts without a restart."""
    acme = added(path, ACME)
    keys = KeyFile(path, look_seconds=0)
    other = added(path, OTHER)
    both = [keys.tenant_of(each) for each in (acme, other)]
    path.write_text(path.read_text().splitlines()[1])

    assert [ACME, OTHER] == both
    assert [None, OTHER] == [keys.tenant_of(each) for each in (acme, other)]


def test_a_link_to_another_file_is_seen(tmp_path: Path, path: Path) -> None:
    """A mounted secret changes by a link that leads elsewhere: its file is another one, maybe as old and as long."""
    first, second = tmp_path / "first", tmp_path / "second"
    one, another = added(first, OTHER), added(second, OTHER)
    os.utime(second, ns=(first.stat().st_atime_ns, first.stat().st_mtime_ns))
    path.symlink_to(first)
    keys = KeyFile(path, look_seconds=0)
    path.unlink()
    path.symlink_to(second)

    assert [None, OTHER] == [keys.tenant_of(each) for each in (one, another)]


@pytest.mark.parametrize("damage", ["deleted", "broken"])
def test_a_file_that_breaks_locks_nobody_out(path: Path, damage: str) -> None:
    """Keys that were good stay good while the file cannot be read; once it can be again, it counts."""
    acme = added(path, ACME)
    keys = KeyFile(path, look_seconds=0)
    if damage == "deleted":
        path.unlink()
    else:
        path.write_text("{")
    meanwhile = keys.tenant_of(acme)
    path.write_text("")

    assert ACME == meanwhile
    assert keys.tenant_of(acme) is None


def line(**changes: Any) -> str:  # noqa: ANN401
    return json.dumps({"id": "abcd1234", "sha256": "0" * 64, "tenant": "acme", **changes})


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "[]",
        "{}",
        line(id="x"),
        line(id=1),
        line(sha256="secret"),
        line(tenant="a:b"),
        line(tenant=None),
        line(call_per_second=5),
        line(calls_per_second=0),
        line(calls_per_second="5"),
        line(cache_bytes=True, pixels_per_minute="many"),
        f"{line()}\n{line()}",
        "\udcff",
    ],
)
def test_what_is_no_key_is_told(path: Path, text: str) -> None:
    """A mistake in the file ends the start with the place of it; a limit that is misspelt would limit nothing."""
    path.write_text(text, encoding="utf-8", errors="surrogateescape")

    with pytest.raises(KeyFileError, match=r"keys\.jsonl"):
        KeyFile(path)


def test_no_file_is_told(path: Path) -> None:
    """A file that is not there is no empty one."""
    with pytest.raises(KeyFileError, match="cannot read"):
        KeyFile(path)


def test_empty_lines_are_passed_over(path: Path) -> None:
    """People edit the file."""
    added(path, ACME)
    path.write_text(f"\n{path.read_text()}\n\n")

    assert ["acme"] == [key.tenant.name for key in read_keys(path)]
