"""A file in shared memory that this process owns, as long as it lives."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import secrets
from pathlib import Path
from typing import Self

FOLDER = Path("/dev/shm")  # noqa: S108 - where Linux keeps POSIX shared memory, and Triton looks for it
_MODE = 0o600
_ATTEMPTS = 3


class NoSharedMemoryError(Exception):
    """This machine, or the container, has no shared memory to give, or none left."""


class Segment:
    """A file in `/dev/shm`, mapped.

    It has a size from the start, and takes memory only where some was `reserve`d: tmpfs would answer a write that finds
    no room with SIGBUS. An flock on the file says that its owner lives; the kernel drops it with the process, however
    that ends, so `sweep` can tell files that are nobody's. Process ids could not: the containers of a pod number theirs
    independently.
    """

    def __init__(self, path: Path, descriptor: int, size: int, keep_free: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self._keep_free = keep_free
        self._mapping = mmap.mmap(descriptor, size)
        self.size = size
        self.view = memoryview(self._mapping)

    @classmethod
    def create(cls, prefix: str, size: int, *, keep_free: int = 0, folder: Path = FOLDER) -> Self:
        """Make a file of `size` bytes, none of which takes memory yet, and which is to leave so many bytes free.

        Raises:
            NoSharedMemoryError: There is no such folder, or it may not be written to.
        """
        try:
            path, descriptor = _owned_file(prefix, folder)
        except OSError as error:
            raise NoSharedMemoryError(f"{folder} takes no file: {error.strerror}") from error
        try:
            os.ftruncate(descriptor, size)
            return cls(path, descriptor, size, keep_free)
        except OSError as error:
            path.unlink(missing_ok=True)
            os.close(descriptor)
            raise NoSharedMemoryError(f"{size} bytes cannot be mapped: {error.strerror}") from error

    @property
    def name(self) -> str:
        """Its file's name, which no other one has, had or will have."""
        return self._path.name

    @property
    def key(self) -> str:
        """What shm_open(3) calls it."""
        return f"/{self.name}"

    def reserve(self, offset: int, size: int) -> bool:
        """Take memory for a part, filled with zeros; False where there is none left beside what is kept free."""
        if free_bytes(self._path.parent) - size < self._keep_free:
            return False
        try:
            os.posix_fallocate(self._descriptor, offset, size)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Delete the file. The memory goes when the last process has unmapped it."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)
        self.view.release()
        with contextlib.suppress(BufferError):  # somebody has not released theirs; it goes with them
            self._mapping.close()


def name_pattern(prefix: str) -> str:
    """Return the glob of all segments' names under a prefix, and of no other files'."""
    return f"{prefix}-slab-{'[0-9a-f]' * 16}"


def try_to_own(descriptor: int) -> bool:
    """Become the owner of a file, until the descriptor is closed, unless it has a living one."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def free_bytes(folder: Path = FOLDER) -> int:
    """Return how much more the folder takes; 0 where there is none."""
    try:
        room = os.statvfs(folder)
    except OSError:
        return 0
    return room.f_bavail * room.f_frsize


def _owned_file(prefix: str, folder: Path) -> tuple[Path, int]:
    for _ in range(_ATTEMPTS):
        path = folder / f"{prefix}-slab-{secrets.token_hex(8)}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
        if try_to_own(descriptor) and os.fstat(descriptor).st_nlink:
            return path, descriptor
        os.close(descriptor)  # another gateway's sweep came between the two lines, and has deleted it
    raise OSError(errno.EBUSY, "each was swept away")
