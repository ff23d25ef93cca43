"""Where a model is built, and how it takes the place of its predecessor."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from maskforge.errors import BuildInProgress, CannotWrite, NotEnoughSpace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import BinaryIO

LOCK_FILE: Final = "lock"
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_CUT_SHORT: Final = re.compile(r"\d+ requested and \d+ written")
"""What numpy says of a full disk, without the number of the error (`ndarray.tofile`, which writes large graphs)."""


@contextmanager
def building_site(name: str, repository: Path) -> Iterator[Path]:
    """Give one build at a time the folder to build a model in; it stays if the build fails, and goes once all is done.

    Raises:
        BuildInProgress: Another build of the model has it.
        CannotWrite: A file cannot be written, here or while the folder is used.
        NotEnoughSpace: The disk is full.
    """
    site = repository / f".{name}.building"
    with writing(repository):
        site.mkdir(parents=True, exist_ok=True)
        with _locked(site / LOCK_FILE):
            yield site
            shutil.rmtree(site, ignore_errors=True)


@contextmanager
def writing(repository: Path) -> Iterator[None]:
    """Translate what the system says of files that cannot be written."""
    try:
        yield
    except BrokenPipeError:  # not a file: nobody reads what is printed
        raise
    except OSError as error:
        place = error.filename or repository
        if error.errno in _FULL or _CUT_SHORT.search(str(error)):
            raise NotEnoughSpace(f"no space is left on the disk for {place}") from error
        raise CannotWrite(f"{place} cannot be written: {error.strerror or error}") from error


def publish(folders: Iterable[Path], repository: Path) -> list[Path]:
    """Put complete folders, one after the other, in the places of their predecessors; the encoder comes last.

    A folder is renamed away and its successor renamed in. So each is at any time the old one, for an instant none, or
    the new one, and never a part of either; and whoever finds the new encoder finds the new decoders. The three do not
    change as one: before the encoder follows, new decoders stand beside the old one, whose embeddings are not for them.
    A build that is killed just there leaves them so, until it is run again.
    """
    return [_publish(folder, repository / folder.name) for folder in folders]


def _publish(folder: Path, place: Path) -> Path:
    stale = folder.with_name(f"{folder.name}.stale")
    shutil.rmtree(stale, ignore_errors=True)
    if place.exists():
        place.replace(stale)
    try:
        return folder.replace(place)
    except OSError:
        if stale.exists():
            stale.replace(place)
        raise


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that ends with the process; a file that its last holder has deleted meanwhile locks nothing."""
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BuildInProgress(f"another build of this model is at work in {path.parent}") from error
        if not _is_at(path, file):
            raise BuildInProgress(f"another build of this model has just left {path.parent}: try again")
        yield


def _is_at(path: Path, file: BinaryIO) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
