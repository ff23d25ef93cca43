"""Environments that hold a wheel and what it declares to need, and nothing else: built without a network."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from dataclasses import dataclass
from email.parser import Parser
from importlib.metadata import distribution
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path


def build_wheel(project: Path, folder: Path) -> Path:
    """Build a project's wheel, as pip would."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


@dataclass(frozen=True)
class Bare:
    """An environment.

    Attributes:
        python: Its interpreter.
        distributions: What is installed, by its normalised names.
    """

    python: Path
    distributions: frozenset[str]

    @classmethod
    def create(cls, folder: Path, wheel: Path, *, extra: str) -> Bare:
        """Install a wheel with one of its extras; what that needs is linked from the environment of the tests."""
        venv.create(folder, symlinks=True)
        (packages,) = folder.glob("lib/python*/site-packages")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(packages)
        (metadata,) = packages.glob("*.dist-info/METADATA")
        declared = Parser().parsestr(metadata.read_text(encoding="utf-8"))
        needed = frozenset(_closure(_wanted(declared.get_all("Requires-Dist", []), extras=("", extra))))
        for name in needed:
            _link(name, packages)
        return cls(folder / "bin" / "python", needed | {canonicalize_name(declared["Name"])})


def _closure(requirements: Iterable[Requirement]) -> Iterator[str]:
    """The distributions that these lead to, as the installed ones declare; those are what is constrained."""
    seen: set[str] = set()
    unread = list(requirements)
    while unread:
        requirement = unread.pop()
        name = canonicalize_name(requirement.name)
        if name not in seen:
            seen.add(name)
            yield name
            unread += _wanted(distribution(name).requires or (), extras=("", *requirement.extras))


def _wanted(lines: Iterable[str], *, extras: Sequence[str]) -> Iterator[Requirement]:
    for requirement in map(Requirement, lines):
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in extras):
            yield requirement


def _link(name: str, packages: Path) -> None:
    """Link a distribution file by file: several share the folder `google`."""
    for file in distribution(name).files or ():
        if ".." not in file.parts:  # such as scripts
            link = packages / file
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(file.locate())
