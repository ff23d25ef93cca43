"""The gateway as it is shipped: non-root, with a read-only root, without what it does not need."""

from __future__ import annotations

import shlex
import signal
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from benchmarks import instant_model
from maskgate.client import Client
from maskgate.stack import EmbeddedStack, StackConfig
from maskgate.stack.plan import with_chosen_ports
from tests import pictures
from tests.images.image import ROOT, Image, build

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BASE = ROOT / ".images" / "base.tar"
OFFICIAL_BASE_BYTES = 130e6
"""python:3.11-slim-bookworm, unpacked; the base here is Debian's own, which is larger."""
MOST_BYTES = 300e6
WAIT_SECONDS = 30.0
MODEL = "instant"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return build(tmp_path_factory.mktemp("images"), BASE)


@pytest.fixture(scope="module")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStack]:
    repository = instant_model.write_repository(tmp_path_factory.mktemp("models"), model=MODEL)
    config = StackConfig(
        models=(MODEL,), model_repository=repository, gateway=False, triton_grpc_port=0, triton_metrics_port=0
    )
    with EmbeddedStack(config) as running:
        yield running


def eventually(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + WAIT_SECONDS
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def test_it_is_small(image: Image) -> None:
    """With the official base it has at most 300 MB."""
    assert image.added_bytes() + OFFICIAL_BASE_BYTES <= MOST_BYTES


def test_it_holds_what_it_needs(image: Image) -> None:
    """Nothing that models are made with is there, no compiler of packages, and nothing of the checkout."""
    code = "import importlib.util as u; print([m for m in ('torch', 'onnx', 'cv2', 'pip', 'pytest') if u.find_spec(m)])"

    assert (0, "[]\n") == image.run("/opt/maskgate/bin/python3", "-c", code)
    assert not (image.root / "src").exists()


def test_who_it_is(image: Image) -> None:
    """It says by number that it is not root, and what it runs."""
    assert ("1000:1000", ["maskgate"], ["serve"]) == tuple(image.config[key] for key in ("User", "Entrypoint", "Cmd"))
    assert (0, "1000\n") == image.run("id", "-u")
    status, told = image.run("touch", "/opt/maskgate/file")
    assert (1, True) == (status, "Read-only file system" in told)


def test_it_does_not_let_everybody_in(image: Image) -> None:
    """On its own it refuses to listen: it has to be given keys, or be told that none are wanted."""
    status, told = image.run("maskgate", "serve")

    assert (2, True) == (status, "MASKGATE_API_KEYS_FILE" in told)


def test_its_health_check(image: Image) -> None:
    """It is well while it runs, also without Triton and Redis, and on SIGTERM it ends with status 0."""
    check = shlex.join(image.health_check)
    script = f"maskgate serve & for _ in $(seq 100); do {check} && break; sleep 0.2; done; echo $?; kill $! && wait $!"

    status, told = image.run("sh", "-c", script, MASKGATE_INSECURE="true", MASKGATE_LOG_LEVEL="ERROR")

    assert (0, "0") == (status, told.split()[-1]), told


def test_it_answers(image: Image, triton: EmbeddedStack) -> None:
    """Behind a real Triton it answers clicks over both protocols."""
    ports = with_chosen_ports(StackConfig(grpc_port=0, http_port=0, triton=True, triton_url="given"))
    gateway = image.start(
        "maskgate",
        "serve",
        MASKGATE_INSECURE="true",
        MASKGATE_GRPC_PORT=str(ports.grpc_port),
        MASKGATE_HTTP_PORT=str(ports.http_port),
        MASKGATE_TRITON_URL=str(triton.endpoints.triton_grpc),
        MASKGATE_MODELS=f'["{MODEL}"]',
    )
    try:
        http = f"http://127.0.0.1:{ports.http_port}"
        assert eventually(lambda: _is_ready(http)), gateway.poll()
        with Client(f"127.0.0.1:{ports.grpc_port}") as client:
            found = client.image(pictures.png()).segment(points=[(10, 10)])
        upload = httpx.post(f"{http}/v1/images", content=pictures.png(), trust_env=False)
    finally:
        gateway.send_signal(signal.SIGTERM)
        told, _ = gateway.communicate(timeout=WAIT_SECONDS)

    assert (True, 201, 0) == (found.best.pixels.any(), upload.status_code, gateway.returncode), told


def _is_ready(http: str) -> bool:
    try:
        return httpx.get(f"{http}/readyz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
