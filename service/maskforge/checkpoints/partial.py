"""A file that is still on its way: nobody sees it under its own name before it is complete and right."""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from maskforge.checkpoints.weights import weights_digest
from maskforge.errors import DownloadFailed, NotEnoughSpace, WrongDigest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Partial:
    """The bytes that have come so far, in `<name>.partial` beside the target.

    Attributes:
        size: How many they are.
        pieced: Whether they came in several answers, which may have been of different files.
        etag: The validator of the file that they are of, where its server gave a strong one.
    """

    def __init__(self, target: Path, file: BinaryIO) -> None:
        self.size = os.fstat(file.fileno()).st_size
        self.pieced = False
        self.etag: str | None = None
        self._target = target
        self._file = file

    def adopt(self) -> None:
        """Take what has come for the beginning of a file that may be another: an earlier run's, another source's."""
        self.pieced = self.size > 0
        self.etag = None

    def write(self, block: bytes) -> None:
        """Append bytes."""
        self._file.write(block)
        self.size += len(block)

    def restart(self) -> None:
        """Drop what has come."""
        self._file.truncate(0)
        self.size = 0
        self.pieced = False
        self.etag = None

    def reserve(self, total: int) -> None:
        """Make sure that the disk can take a file of that many bytes; raises `NotEnoughSpace`."""
        free, missing = shutil.disk_usage(self._target.parent).free, total - self.size
        if missing > free:
            told = f"{self._target.name} needs {_mib(missing)} more, but {self._target.parent} has {_mib(free)} left"
            raise NotEnoughSpace(told)

    def publish(self, digest: str) -> None:
        """Give the file its name if its bytes are right; else drop them and raise `WrongDigest`."""
        self._file.flush()
        os.fsync(self._file.fileno())
        try:
            check_digest(partial_path(self._target), digest)
        except WrongDigest:
            self.restart()
            raise
        partial_path(self._target).replace(self._target)


def partial_path(target: Path) -> Path:
    """Return where the bytes of `target` lie until they are complete."""
    return target.with_name(f"{target.name}.partial")


def check_digest(path: Path, expected: str) -> None:
    """Raise `WrongDigest` unless the file's bytes have the digest `sha256:<64 hex>`."""
    actual = weights_digest(path)
    if actual != expected:
        raise WrongDigest(f"{path} is not the file that was asked for: its digest is {actual}, not {expected}")


@contextmanager
def open_partial(target: Path) -> Iterator[Partial]:
    """Open what has come of `target` for appending; it is kept for another attempt, unless nothing has come.

    Raises:
        DownloadFailed: Another process is at it, or the file cannot be written.
    """
    path = partial_path(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            _lock(file, path)
            partial = Partial(target, file)
            try:
                yield partial
            finally:
                if partial.size == 0:
                    path.unlink(missing_ok=True)
    except OSError as error:
        raise DownloadFailed(f"{path} cannot be written: {error.strerror}") from error


def _lock(file: BinaryIO, path: Path) -> None:
    """Keep others off until the file is closed: two writers would interleave their bytes.

    The file may have been renamed by another process between being opened and being locked; it is no longer ours then.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        ours = os.path.samestat(os.fstat(file.fileno()), path.stat())
    except (BlockingIOError, FileNotFoundError):
        ours = False
    if not ours:
        raise DownloadFailed(f"{path} is being written by another process")


def _mib(size: int) -> str:
    return f"{size / (1 << 20):.0f} MiB"
