"""The chart and the gateway agree: settings, ports, probes, times and memory are those that there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from maskgate.settings import Settings
from tests.chart.cases import CASES, rendered
from tests.chart.objects import environment, named, options, pod, pods

if TYPE_CHECKING:
    from tests.chart.helm import Object

MEBI = 1024 * 1024


def settings_of(documents: list[Object], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The gateway's settings, as it would read them."""
    gateway = pod(documents, "maskgate-gateway").container("gateway")
    for name, value in environment(gateway).items():
        monkeypatch.setenv(name, value)
    return Settings()


@pytest.mark.parametrize("case", CASES)
def test_the_environment_is_settings(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each variable is a setting's, given once, and the gateway takes its value."""
    documents = rendered(case)
    names = [it["name"] for it in pod(documents, "maskgate-gateway").container("gateway")["env"]]

    settings_of(documents, monkeypatch)

    assert len(set(names)) == len(names)
    assert set(names) <= {f"MASKGATE_{name.upper()}" for name in Settings.model_fields}


def test_settings_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers, words and switches among the further settings are what was given."""
    settings = settings_of(rendered("settings"), monkeypatch)

    assert (536870912, False, 0.05) == (settings.max_upload_bytes, settings.mask_share, settings.retry_ratio)


@pytest.mark.parametrize("case", CASES)
def test_ports_are_those_that_it_listens_on(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway listens on the ports that its container names, and asks Triton where that one listens."""
    documents = rendered(case)
    gateway = pod(documents, "maskgate-gateway")
    settings = settings_of(documents, monkeypatch)
    triton = options(gateway.container("triton")["command"])

    assert (gateway.ports["grpc"], gateway.ports["http"]) == (settings.grpc_port, settings.http_port)
    assert settings.triton_url == f"{triton['grpc-address'][0]}:{triton['grpc-port'][0]}"
    assert [str(gateway.ports["triton-metrics"])] == triton["metrics-port"]


@pytest.mark.parametrize("case", ["defaults", "production", "keda"])
def test_encoders_are_found(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway looks encoders up at a headless Service, on the port that they listen on."""
    documents = rendered(case)
    host, _, port = settings_of(documents, monkeypatch).encoder_url.rpartition(":")
    service = named(documents, "Service", host)

    assert "None" == service["spec"]["clusterIP"]
    assert int(port) in [it["port"] for it in service["spec"]["ports"]]
    for it in pods(documents):
        if "-encoder-" in it.of:
            command = options(it.container("triton")["command"])
            assert (["0.0.0.0"], [port]) == (command["grpc-address"], command["grpc-port"])  # noqa: S104


@pytest.mark.parametrize(("case", "seconds"), [("defaults", 0), ("keda", 45), ("production", 0)])
def test_who_may_be_away_is_waited_for(case: str, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all encoders may be scaled to zero the gateway knows how long one usually takes to start."""
    assert seconds == settings_of(rendered(case), monkeypatch).encoder_start_seconds


@pytest.mark.parametrize("case", CASES)
def test_there_is_time_to_stop(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway ends its calls and its encodes, then its Triton, before anybody is killed; so does an encoder."""
    documents = rendered(case)
    settings = settings_of(documents, monkeypatch)
    for it in pods(documents):
        if it.of == "Deployment/maskgate-gateway":
            (beside,) = options(it.container("triton")["command"])["exit-timeout-secs"]
            needed = settings.stop_delay_seconds + 2 * settings.drain_seconds + int(beside)
            assert needed < it.spec["terminationGracePeriodSeconds"]
        elif "-encoder-" in it.of:
            triton = it.container("triton")
            (drain,) = options(triton["command"])["exit-timeout-secs"]
            pause = triton["lifecycle"]["preStop"]["sleep"]["seconds"]
            assert pause + int(drain) < it.spec["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("case", CASES)
def test_who_stops_is_known_to_be_stopping(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway goes on answering for longer than its readiness takes to be noticed."""
    documents = rendered(case)
    probe = pod(documents, "maskgate-gateway").container("gateway")["readinessProbe"]

    noticed = probe["periodSeconds"] * probe["failureThreshold"]
    assert noticed < settings_of(documents, monkeypatch).stop_delay_seconds


@pytest.mark.parametrize("case", CASES)
def test_a_triton_may_take_as_long_as_is_said(case: str) -> None:
    """The startup probe waits for `encoder.startSeconds`, rounded to its period."""
    for it in pods(rendered(case)):
        if it.of.startswith("Deployment/") and "valkey" not in it.of:
            probe = it.container("triton")["startupProbe"]
            assert probe["periodSeconds"] * probe["failureThreshold"] == 600


@pytest.mark.parametrize("case", CASES)
def test_memory_is_enough(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The container's limit is what the settings allow and room to work; half of /dev/shm stays free, as it has to."""
    documents = rendered(case)
    gateway = pod(documents, "maskgate-gateway")
    settings = settings_of(documents, monkeypatch)
    limit = _mebi(gateway.container("gateway")["resources"]["limits"]["memory"])
    (shared,) = [volume["emptyDir"] for volume in gateway.spec["volumes"] if volume["name"] == "dshm"]
    held = settings.embedding_memory_bytes + settings.image_memory_bytes + settings.mask_memory_bytes

    assert 256 <= limit - held / MEBI
    assert "Memory" == shared["medium"]
    assert settings.embedding_memory_bytes / MEBI <= _mebi(shared["sizeLimit"]) / 2


def _mebi(quantity: str) -> int:
    return int(quantity.removesuffix("Mi"))


def test_gateway_and_decoder_share_memory() -> None:
    """Both mount one /dev/shm, as one user: the file of the slab is its owner's alone."""
    gateway = pod(rendered("defaults"), "maskgate-gateway")
    mounts = [
        mount["name"]
        for name in ("gateway", "triton")
        for mount in gateway.container(name)["volumeMounts"]
        if mount["mountPath"] == "/dev/shm"
    ]

    assert ["dshm", "dshm"] == mounts
    assert not any("runAsUser" in it["securityContext"] for it in gateway.containers)
