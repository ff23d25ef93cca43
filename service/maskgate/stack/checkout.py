"""Finds the files of this repository that the stack serves but the Python package does not contain."""

from __future__ import annotations

from pathlib import Path

from maskgate.stack.errors import NotInstalled

REPOSITORY = Path(__file__).parents[3]


def find_in_checkout(relative: str) -> Path | None:
    """Looks in the working directory, then in the repository that this package runs from."""
    candidates = (Path.cwd() / relative, REPOSITORY / relative)
    return next((path for path in candidates if path.exists()), None)


def require_in_checkout(relative: str, *, option: str) -> Path:
    """Like `find_in_checkout`, but an absent file is an error that names the option to use instead."""
    found = find_in_checkout(relative)
    if found is None:
        raise NotInstalled(f"there is no '{relative}' here; run this in a checkout of maskgate or use {option}")
    return found
