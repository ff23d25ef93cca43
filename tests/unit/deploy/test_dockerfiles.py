"""The images' recipes."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.unit.deploy.compose import DEPLOY, ROOT

DOCKERFILES = sorted(DEPLOY.glob("*/Dockerfile"))
HADOLINT = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
USER = "1000:1000"

each = pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.parent.name)


def sources(dockerfile: Path) -> list[str]:
    """What is copied out of the checkout."""
    copies = re.findall(r"^COPY (?!.*--from)(?:--\S+ )?(.+)$", dockerfile.read_text(encoding="utf-8"), re.MULTILINE)
    return [source for copy in copies for source in copy.split()[:-1]]


@each
def test_hadolint_has_nothing_to_say(dockerfile: Path) -> None:
    """The common mistakes are not made; what is made on purpose says so."""
    assert HADOLINT, "no hadolint: make .venv/.dev"

    finished = subprocess.run([HADOLINT, dockerfile], check=False, capture_output=True, text=True)

    assert ("", 0) == (finished.stdout, finished.returncode)


@each
def test_what_is_copied_is_sent_along(dockerfile: Path) -> None:
    """Everything that is copied exists, and .dockerignore lets it through."""
    lets_through = [
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    ]

    lost = [
        source
        for source in sources(dockerfile)
        if not (ROOT / source).exists() or not any(fnmatch(source, f"{path}*") for path in lets_through)
    ]

    assert [] == lost
    assert sources(dockerfile)


@each
def test_nobody_is_root(dockerfile: Path) -> None:
    """What runs is the one user that may share memory with the others, by number: orchestrators check that."""
    final_stage = dockerfile.read_text(encoding="utf-8").rpartition("\nFROM ")[2]

    assert [USER] == re.findall(r"^USER (.+)$", final_stage, re.MULTILINE)


def test_triton_is_the_official_one() -> None:
    """It is pinned by its digest, and recent enough: before 25.09 it leaks and has known holes."""
    found = re.search(
        r"^ARG TRITON=nvcr\.io/nvidia/tritonserver:(\d+)\.(\d+)-py3@sha256:[0-9a-f]{64}$",
        (DEPLOY / "triton/Dockerfile").read_text(encoding="utf-8"),
        re.MULTILINE,
    )

    assert found
    assert (25, 9) <= (int(found[1]), int(found[2]))


def test_models_are_computed_by_one_version() -> None:
    """OpenVINO is the same in the image and in the environment that everything is tested in."""
    tested = (DEPLOY / "triton/requirements.txt").read_text(encoding="utf-8").splitlines()
    added = (DEPLOY / "triton/requirements-image.txt").read_text(encoding="utf-8").splitlines()

    assert [] == [line for line in added if line not in tested and not line.startswith("#")]
