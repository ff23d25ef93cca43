"""Deletes what gateways have left in shared memory that were killed."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from maskgate.adapters.slab.segment import FOLDER, name_pattern, try_to_own

if TYPE_CHECKING:
    from pathlib import Path


def sweep(prefix: str, *, folder: Path = FOLDER) -> list[str]:
    """Delete the segments under a prefix whose owners are gone; those of living gateways are left alone.

    Returns:
        The names of what was deleted.
    """
    return [path.name for path in sorted(folder.glob(name_pattern(prefix))) if _deleted(path)]


def is_dead(name: str, *, prefix: str, folder: Path = FOLDER) -> bool:
    """Say whether a segment of that name, of a gateway under the prefix, is there no more."""
    return fnmatchcase(name, name_pattern(prefix)) and not folder.joinpath(name).exists()


def _deleted(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:  # gone, or somebody else's
        return False
    try:
        return try_to_own(descriptor) and _unlinked(path)
    finally:
        os.close(descriptor)


def _unlinked(path: Path) -> bool:
    try:
        path.unlink(missing_ok=True)
    except PermissionError:  # anybody may put a file into the folder, and only its owner may delete it
        return False
    return True
