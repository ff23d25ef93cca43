"""A real Envoy with the configuration of deploy/envoy; only its addresses are of this machine."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import yaml

from maskgate.stack.child import Child
from maskgate.stack.component import Component

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parents[2]
CONFIGURATION = ROOT / "deploy" / "envoy" / "envoy.yaml"
OWN_ENVIRONMENT = ROOT / ".venv-envoy" / "bin"
LOOPBACK = "127.0.0.1"
STATS_SECONDS = 5.0
ASSIGNMENT = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"

Ports = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Listening:
    """Where Envoy listens, on the loopback."""

    admin: int
    gateways: int
    tritons: int


class Envoy:
    """Envoy and the endpoints of its clusters, which may change while it runs, as a Service's do."""

    def __init__(self, folder: Path, listening: Listening, endpoints: Mapping[str, Ports]) -> None:
        """Start it."""
        self._folder = folder / "envoy"
        self._folder.mkdir()
        self.listening = listening
        for cluster, ports in endpoints.items():
            self.point(cluster, ports)
        configuration = self._folder / "envoy.json"
        configuration.write_text(json.dumps(configured(self._folder, listening)))
        self.process = Child(_component(configuration, self._is_ready), run_directory=folder)

    def point(self, cluster: str, ports: Ports) -> None:
        """Have a cluster be these ports of the loopback, from now on."""
        new = self._folder / f"{cluster}.new"
        new.write_text(json.dumps({"resources": [_assignment(cluster, ports)]}))
        new.rename(_endpoints_of(cluster, self._folder))  # Envoy looks at what takes the name, not at what is written

    def healthy(self, cluster: str) -> int:
        """How many endpoints it sends calls to."""
        return sum(_is_in_service(status["health_status"]) for status in self._statuses(cluster))

    def answered(self, cluster: str) -> dict[int, int]:
        """How many requests each port has been sent."""
        return {
            status["address"]["socket_address"]["port_value"]: int(_figure(status, "rq_total"))
            for status in self._statuses(cluster)
        }

    def retried(self) -> int:
        """How many requests it has sent once more."""
        return sum(int(stat["value"]) for stat in self._ask("/stats", filter=r"upstream_rq_retry$")["stats"])

    def _statuses(self, cluster: str) -> list[dict[str, Any]]:
        statuses = self._ask("/clusters")["cluster_statuses"]
        return next(each for each in statuses if each["name"] == cluster).get("host_statuses", [])

    def _ask(self, path: str, **query: str) -> Any:  # noqa: ANN401 - JSON
        url = f"http://{LOOPBACK}:{self.listening.admin}{path}"
        return httpx.get(url, params={"format": "json", **query}, trust_env=False, timeout=STATS_SECONDS).json()

    def _is_ready(self) -> bool:
        try:
            return all(self.healthy(cluster) for cluster in _clusters())
        except httpx.HTTPError:
            return False


def configured(folder: Path, listening: Listening) -> dict[str, Any]:
    """Read the configuration, and put this machine's addresses into it."""
    configuration: dict[str, Any] = yaml.safe_load(CONFIGURATION.read_text())
    configuration["node"] = {"id": "envoy", "cluster": "balance"}  # who asks for endpoints has to have a name
    configuration["admin"] = {"address": _address(listening.admin)}
    for listener in configuration["static_resources"]["listeners"]:
        listener["address"] = _address(getattr(listening, listener["name"]))
    for cluster in configuration["static_resources"]["clusters"]:
        _take_endpoints_from(folder, cluster)
    return configuration


def _take_endpoints_from(folder: Path, cluster: dict[str, Any]) -> None:
    del cluster["load_assignment"], cluster["dns_refresh_rate"]
    source = {"path": str(_endpoints_of(cluster["name"], folder))}
    cluster |= {"type": "EDS", "eds_cluster_config": {"eds_config": {"path_config_source": source}}}


def _clusters() -> Sequence[str]:
    return [cluster["name"] for cluster in yaml.safe_load(CONFIGURATION.read_text())["static_resources"]["clusters"]]


def _endpoints_of(cluster: str, folder: Path) -> Path:
    return folder / f"{cluster}.json"


def _assignment(cluster: str, ports: Ports) -> dict[str, Any]:
    endpoints = [{"endpoint": {"address": _address(port)}} for port in ports]
    return {"@type": ASSIGNMENT, "cluster_name": cluster, "endpoints": [{"lb_endpoints": endpoints}]}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": LOOPBACK, "port_value": port}}


def _component(configuration: Path, is_ready: Any) -> Component:  # noqa: ANN401
    program = shutil.which("envoy", path=str(OWN_ENVIRONMENT)) or shutil.which("envoy")
    assert program, "no envoy: run make balance-test"
    options = {"--config-path": str(configuration), "--concurrency": "1", "--log-level": "warning"}
    return Component(
        name="envoy",
        command=(program, *(part for option in options.items() for part in option), "--disable-hot-restart"),
        is_ready=is_ready,
        where="the loopback",
        ready_seconds=30.0,
        stop_seconds=5.0,
    )


def _is_in_service(health: dict[str, Any]) -> bool:
    failing = {"failed_active_health_check", "failed_outlier_check", "pending_active_hc"}
    return not any(health.get(check) for check in failing) and health.get("eds_health_status") == "HEALTHY"


def _figure(status: dict[str, Any], name: str) -> str:
    return next(str(stat.get("value", 0)) for stat in status["stats"] if stat["name"] == name)
