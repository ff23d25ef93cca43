"""Compose itself reads the files of deploy/, in every combination that they are made for."""

from __future__ import annotations

import subprocess
from itertools import product

import pytest

from tests.images.image import ROOT

COMPOSE = ROOT / ".venv-images" / "bin" / "docker-compose"
FILES = (("compose.yaml",), ("compose.yaml", "compose.balanced.yaml"))


@pytest.mark.parametrize(("files", "profile"), list(product(FILES, ("cpu", "gpu"))))
def test_compose_reads_it(files: tuple[str, ...], profile: str) -> None:
    """Its own schema and its own rules have nothing to object to."""
    named = [f"--file=deploy/{file}" for file in files]

    finished = subprocess.run(
        [COMPOSE, *named, "--profile", profile, "config", "--quiet"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )

    assert ("", 0) == (finished.stderr, finished.returncode)
