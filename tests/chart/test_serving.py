"""What the chart starts serves: the commands of its pods, run on this machine with real Tritons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import httpx
import pytest
from click.testing import CliRunner, Result
from grpc_health.v1 import health_pb2, health_pb2_grpc

from maskgate.cli import main
from maskgate.client import Client, errors
from tests.chart.cases import everything, rendered
from tests.chart.helm import ROOT
from tests.chart.objects import of_kind, pod
from tests.chart.site import Site, site
from tests.integration.replicas.gateways import sample, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maskgate.stack import EmbeddedStack

PHOTOS = ROOT / "docs" / "photos"


@pytest.fixture(scope="module")
def running(valkey: EmbeddedStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(rendered("defaults"), redis=valkey.endpoints.redis, folder=tmp_path_factory.mktemp("site")) as started:
        yield started


def test_probes_are_answered(running: Site) -> None:
    """Each container's probes find what they ask for, and Prometheus what it scrapes."""
    documents = rendered("defaults")
    gateway = pod(documents, "maskgate-gateway").container("gateway")
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert 200 == _get(running, "http", gateway[probe]["httpGet"]["path"])
    (path,) = {
        endpoint["path"] for it in of_kind(everything(), "ServiceMonitor") for endpoint in it["spec"]["endpoints"]
    }
    for port in ("http", "decoder-metrics", "encoder-metrics"):
        assert 200 == _get(running, port, path)
    with grpc.insecure_channel(running.address("encoder")) as channel:
        stub = health_pb2_grpc.HealthStub(channel)  # type: ignore[no-untyped-call]
        answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=5)
    assert health_pb2.HealthCheckResponse.SERVING == answer.status


def _get(running: Site, name: str, path: str) -> int:
    return httpx.get(f"http://{running.address(name)}{path}", trust_env=False, timeout=5).status_code


def test_a_click_goes_through_both_tiers(running: Site) -> None:
    """An image is encoded by the encoder, once, and clicks reach the decoder through shared memory."""
    before = {
        stage: _sample(running, "maskgate_inference_duration_seconds_count", stage=stage)
        for stage in ("encode", "decode")
    }
    with Client(running.address("grpc")) as client:
        image = client.image(PHOTOS / "cat.jpg")
        masks = [image.segment(points=[(160, 180)]), image.segment(points=[(100, 100)])]

    assert all(answer.masks.any() for answer in masks)
    assert 1 == _sample(running, "maskgate_inference_duration_seconds_count", stage="encode") - before["encode"]
    assert 2 == _sample(running, "maskgate_inference_duration_seconds_count", stage="decode") - before["decode"]
    assert 0 == _sample(running, "maskgate_inference_sent_bytes_total", stage="decode", way="inline")


def _sample(running: Site, name: str, **labels: str) -> float:
    return sample(f"http://{running.address('http')}/metrics", name, **labels)


def test_the_doctor_finds_all_well(running: Site) -> None:
    """What the pod of `helm test` runs ends well."""
    result = _doctor(running)

    assert 0 == result.exit_code, result.output


def _doctor(running: Site) -> Result:
    """Run what the pod of `helm test` runs."""
    (test,) = of_kind(rendered("defaults"), "Pod")
    here = {"http://maskgate:8080": f"http://{running.address('http')}", "maskgate:50051": running.address("grpc")}
    return CliRunner().invoke(main, [here.get(word, word) for word in test["spec"]["containers"][0]["args"]])


def test_clicks_go_on_without_encoders(running: Site) -> None:
    """While the encoders are away the gateway is ready and decodes, and says of new images that they have to wait."""
    with Client(running.address("grpc"), attempts=1) as client:
        known = client.image(PHOTOS / "bus.jpg")
        known.segment(points=[(160, 180)])
        running.children["encoder"].stop()
        wait_until(lambda: _sample(running, "maskgate_component_up", component="encoder") == 0)

        assert known.segment(points=[(200, 200)]).masks.any()
        assert 200 == _get(running, "http", "/readyz")
        with pytest.raises(errors.BackendUnavailable):
            client.image(PHOTOS / "pizza.jpg").segment(points=[(160, 180)])
    told = _doctor(running)
    assert 1 == told.exit_code
    assert "MASKGATE_ENCODER_URL" in told.output
