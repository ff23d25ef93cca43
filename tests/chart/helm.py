"""The real helm on the chart, without a cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "maskgate"
BINARIES = Path(sys.executable).parent
RELEASE, NAMESPACE = "maskgate", "vision"
KEDA, OPERATOR = "keda.sh/v1alpha1", "monitoring.coreos.com/v1"

Object = dict[str, Any]


def run(*command: str, kubeconfig: str = os.devnull, seconds: float = 60) -> subprocess.CompletedProcess[str]:
    """Run helm or kubectl, which see no cluster but the one that is named, and none of the user's settings."""
    with tempfile.TemporaryDirectory() as scratch:
        homes = {f"HELM_{kind}_HOME": f"{scratch}/{kind}" for kind in ("CACHE", "CONFIG", "DATA")}
        environment = {"PATH": f"{BINARIES}:{os.environ['PATH']}", "KUBECONFIG": kubeconfig, "HOME": scratch, **homes}
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=seconds, check=False, cwd=ROOT
        )


def template(values: Object | None = None, *, kubernetes: str = "1.37", apis: tuple[str, ...] = ()) -> list[Object]:
    """Render the chart with values; what the cluster offers is as given."""
    return _objects(json.dumps(values or {}), kubernetes, apis)


def render(values: Object) -> subprocess.CompletedProcess[str]:
    """Render the chart, or have it refuse."""
    return _render(json.dumps(values), "1.37", ())


def refusal(values: Object) -> str:
    """What helm says against values, on one line."""
    done = render(values)
    assert done.returncode, "it was rendered"
    return " ".join(done.stderr.split())


@lru_cache(maxsize=128)
def _objects(values: str, kubernetes: str, apis: tuple[str, ...]) -> list[Object]:
    done = _render(values, kubernetes, apis)
    assert not done.returncode, done.stderr
    return [it for it in yaml.load_all(done.stdout, yaml.CSafeLoader) if it]


@lru_cache(maxsize=128)
def _render(values: str, kubernetes: str, apis: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(values)
        file.flush()
        offered = [part for api in apis for part in ("--api-versions", api)]
        return run(
            *("helm", "template", RELEASE, str(CHART), "--namespace", NAMESPACE, "--values", file.name),
            *("--kube-version", kubernetes, *offered),
        )
