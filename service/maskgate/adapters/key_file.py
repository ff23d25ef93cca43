"""Keys in a file: one JSON object a line, read again whenever the file has changed."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict
from time import monotonic
from typing import TYPE_CHECKING, Any, BinaryIO

import structlog

from maskgate.domain.api_key import KnownKey
from maskgate.domain.tenant import Limits, Tenant

if TYPE_CHECKING:
    from pathlib import Path

    from maskgate.domain.api_key import ApiKey

_log = structlog.get_logger(__name__)
_ID, _DIGEST = re.compile(r"[a-z0-9]{8}"), re.compile(r"[0-9a-f]{64}")
_LOOK_SECONDS = 1.0


class KeyFileError(Exception):
    """The file cannot be read, or holds what is no key."""


class KeyFile:
    """Looks once a second whether the file has changed. One that cannot be read any more changes nothing.

    Raises:
        KeyFileError: It cannot be read now.
    """

    def __init__(self, path: Path, *, look_seconds: float = _LOOK_SECONDS) -> None:
        self._path = path
        self._look_seconds = look_seconds
        self._seen = _version_of(path)
        self._keys = _by_id(path)
        self._looked = monotonic()

    def tenant_of(self, key: ApiKey) -> Tenant | None:
        """See ApiKeys."""
        self._look()
        known = self._keys.get(key.id)
        return known.tenant if known and known.is_opened_by(key) else None

    def _look(self) -> None:
        if monotonic() < self._looked + self._look_seconds:
            return
        self._looked = monotonic()
        try:
            seen = _version_of(self._path)
            if seen != self._seen:
                self._seen, self._keys = seen, _by_id(self._path)
                _log.info("api_keys.read", keys=len(self._keys))
        except KeyFileError as error:
            _log.error("api_keys.unreadable", error=str(error))


def read_keys(path: Path) -> tuple[KnownKey, ...]:
    """Read a file of keys. Raises KeyFileError."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"cannot read '{path}': {error}") from error
    return tuple(_load(line, f"'{path}', line {number}") for number, line in enumerate(lines, start=1) if line.strip())


def add_key(path: Path, key: KnownKey) -> None:
    """Append a key to a file, which only its owner may read where it is new. Raises KeyFileError."""
    record = {"id": key.id, "sha256": key.digest, "tenant": key.tenant.name, **_given(key.tenant.limits)}
    try:
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "r+b") as file:
            file.write(f"{_line_end(file)}{json.dumps(record)}\n".encode())
    except OSError as error:
        raise KeyFileError(f"cannot write '{path}': {error.strerror}") from error


def _line_end(file: BinaryIO) -> str:
    """What ends the last line of a file: editors may have left it open."""
    size = file.seek(0, os.SEEK_END)
    if not size:
        return ""
    file.seek(size - 1)
    return "" if file.read(1) == b"\n" else "\n"


def _given(limits: Limits) -> dict[str, float]:
    return {name: limit for name, limit in asdict(limits).items() if limit is not None}


def _by_id(path: Path) -> dict[str, KnownKey]:
    keys = read_keys(path)
    by_id = {key.id: key for key in keys}
    if len(by_id) < len(keys):
        raise KeyFileError(f"'{path}' holds two keys of one id")
    return by_id


def _load(line: str, where: str) -> KnownKey:
    try:
        return _known(**json.loads(line))
    except (ValueError, TypeError) as error:  # broken JSON, no object, a field too many or too few, a limit of 0
        raise KeyFileError(f"{where} is no key: {error}") from error


def _known(*, id: str, sha256: str, tenant: str, **limits: Any) -> KnownKey:  # noqa: A002, ANN401 - the file's names
    if not (_ID.fullmatch(id) and _DIGEST.fullmatch(sha256)):
        raise ValueError("its id has 8 letters and digits, its sha256 64 hexadecimal digits")
    return KnownKey(id, sha256, Tenant.named(tenant, Limits(**limits)))


def _version_of(path: Path) -> tuple[int, ...]:
    """What changes with the file, also where a link leads to another one, as it does in a mounted secret."""
    try:
        state = path.stat()
    except OSError as error:
        raise KeyFileError(f"cannot read '{path}': {error.strerror}") from error
    return state.st_ino, state.st_size, state.st_mtime_ns
