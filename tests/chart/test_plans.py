"""The Job that builds plans, run by a real shell."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from tests.chart.helm import ROOT, template
from tests.chart.objects import pods

if TYPE_CHECKING:
    from pathlib import Path

PARTS = ("encoder", "decoder", "decoder_multi")


def script_of(container: str) -> list[str]:
    """The command of a container that concerns plans."""
    documents = template({"gpus": {"l4": {}}})
    (found,) = [it for pod in pods(documents) for it in pod.containers if it["name"] == container]
    return [*found["command"], *found["args"]]


def run_here(command: list[str], folder: Path, *, status: int = 0) -> tuple[int, list[str]]:
    """Run it with folders of this machine, and a python3 that only notes what it was called for."""
    binaries, plans, calls = folder / "bin", folder / "plans", folder / "calls"
    binaries.mkdir(exist_ok=True)
    plans.mkdir(exist_ok=True)
    calls.unlink(missing_ok=True)
    python = binaries / "python3"
    python.write_text(f'#!/bin/sh\necho "$@" >> {calls}\nexit {status}\n', encoding="utf-8")
    python.chmod(0o755)
    here = {"/opt/maskgate/models": str(ROOT / "model_repository"), "/plans": str(plans)}
    for there, path in here.items():
        command = [word.replace(there, path) for word in command]
    done = subprocess.run(command, env={"PATH": f"{binaries}:{os.environ['PATH']}"}, check=False, timeout=30)
    return done.returncode, calls.read_text(encoding="utf-8").splitlines()


def test_graphs_are_copied_and_planned(tmp_path: Path) -> None:
    """The Job copies a model's folders, with the link between its decoders, and plans there; twice does no harm."""
    for _ in range(2):
        status, calls = run_here(script_of("build-plans"), tmp_path)
        (repository,) = (tmp_path / "plans").iterdir()

        assert (0, 1) == (status, len(calls))
        assert f"-m maskforge plan lite0 --repository {repository}" in calls[0]
        assert {f"lite0_{part}" for part in PARTS} == {folder.name for folder in repository.iterdir()}
        assert (repository / "lite0_decoder_multi" / "1" / "model.onnx").is_symlink()
        assert (repository / "lite0_decoder_multi" / "1" / "model.onnx").exists()


def test_the_plans_that_are_verified_are_those_that_were_built(tmp_path: Path) -> None:
    """The init container looks where the Job has written."""
    _, built = run_here(script_of("build-plans"), tmp_path)
    _, verified = run_here(script_of("verify-plans"), tmp_path)

    repository = built[0].split("--repository ")[1].split()[0]
    assert f"-m maskforge plan lite0 --verify --repository {repository}" == verified[0]


def test_a_plan_that_fails_ends_the_job(tmp_path: Path) -> None:
    """What `maskforge plan` refuses neither the Job nor the init container passes over."""
    for container in ("build-plans", "verify-plans"):
        status, _ = run_here(script_of(container), tmp_path, status=1)
        assert 1 == status


def test_what_is_served_decides_where_plans_lie() -> None:
    """Another image, claim or revision is another folder: those that serve now keep theirs. Else it is the same."""
    lite0 = {"gpus": {"l4": {}}}
    folders = [
        next(word for word in str(template(values)).split() if word.startswith("/plans/"))
        for values in (
            lite0,
            {**lite0, "encoder": {"cores": 8}},
            {**lite0, "images": {"triton": {"tag": "2"}}},
            {**lite0, "models": {"claim": "models"}},
            {**lite0, "models": {"claim": "models", "revision": "2"}},
        )
    ]

    assert folders[0] == folders[1]
    assert 4 == len(set(folders))
