"""A real Prometheus that looks often; windows of rules and queries are shortened to what a test has the time for."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import yaml

from maskgate.stack.listeners import Listener, choose_ports
from maskgate.stack.triton import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FOLDER = Path(".prometheus").resolve()
FILES = Path("helm/maskgate/files").resolve()
WINDOW = "10s"
WINDOW_SECONDS = 10.0
START_SECONDS = 30.0


def program(name: str) -> str:
    """Where `prometheus` or `promtool` is."""
    found = shutil.which(name, path=str(FOLDER)) or shutil.which(name)
    assert found is not None, f"{name} is not there: make observability-test fetches it"
    return found


def hurried(text: str) -> str:
    """Shorten windows of one and two minutes; the rest of a query or rule stays as it is."""
    return re.sub(r"\[[12]m\]", f"[{WINDOW}]", text).replace("interval: 30s", "interval: 1s")


@dataclass(frozen=True)
class Prometheus:
    """One that runs."""

    url: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Evaluate an expression now; what Prometheus does not understand fails the test."""
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": expression}, trust_env=False, timeout=30).json()
        assert answer["status"] == "success", (expression, answer)
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def number(self, expression: str) -> float:
        """Evaluate what gives one number. As KEDA has it, none and several are errors."""
        found = self.query(expression)
        assert len(found) == 1, (expression, found)
        value = float(found[0]["value"][1])
        assert math.isfinite(value), (expression, found)
        return value

    def rules(self) -> list[dict[str, Any]]:
        """Every rule, how it is and in what state."""
        answer = httpx.get(f"{self.url}/api/v1/rules", trust_env=False, timeout=30).json()
        return [rule for group in answer["data"]["groups"] for rule in group["rules"]]

    def is_ready(self) -> bool:
        """Whether it answers questions yet."""
        try:
            return httpx.get(f"{self.url}/-/ready", trust_env=False, timeout=5).is_success
        except httpx.TransportError:
            return False

    def healthy(self) -> dict[str, bool]:
        """Which targets it reaches, by job."""
        answer = httpx.get(f"{self.url}/api/v1/targets", trust_env=False, timeout=30).json()
        return {target["labels"]["job"]: target["health"] == "up" for target in answer["data"]["activeTargets"]}


@contextmanager
def prometheus(folder: Path, targets: Mapping[str, str]) -> Iterator[Prometheus]:
    """Run one that scrapes targets by job, each once a second."""
    (folder / "rules.yaml").write_text(hurried((FILES / "rules.yaml").read_text(encoding="utf-8")), encoding="utf-8")
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(_config(targets)), encoding="utf-8")
    port = choose_ports([Listener(LOOPBACK, 0, "http")])["http"]
    command = (
        program("prometheus"),
        f"--config.file={folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={LOOPBACK}:{port}",
    )
    with (folder / "prometheus.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        running = Prometheus(f"http://{LOOPBACK}:{port}")
        try:
            _wait_for(running)
            time.sleep(WINDOW_SECONDS)  # a rate needs two looks, a mean is one of the whole window
            yield running
        finally:
            process.terminate()


def _config(targets: Mapping[str, str]) -> dict[str, Any]:
    return {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [target], "labels": {"release": "maskgate"}}]}
            for job, target in targets.items()
        ],
    }


def _wait_for(running: Prometheus) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if running.is_ready() and running.healthy() and all(running.healthy().values()):
            return
        time.sleep(0.2)
    raise AssertionError("Prometheus does not reach its targets")
