from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from maskgate.stack.config import StackConfig
from maskgate.stack.errors import CannotStart
from maskgate.stack.gateway import gateway_command
from maskgate.stack.plan import create_endpoints
from maskgate.stack.triton import TritonSettings, patience, triton_command, triton_models
from maskgate.stack.valkey import valkey_command, valkey_component

RUN = Path("/tmp/run")
TRITON = TritonSettings(
    models=("lite0_encoder", "lite0_decoder"),
    model_repository=Path("models"),
    backends=RUN / "backends",
    grpc_port=8001,
    metrics_port=8002,
    shared_memory_prefix="maskgate-x",
    gpu=False,
)


def test_valkey_is_a_bounded_cache_behind_a_unix_socket() -> None:
    """Valkey has no TCP port, writes nothing to disk and evicts the least used keys."""
    command = valkey_command("valkey-server", socket=RUN / "valkey.sock", memory="64mb")

    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert {
        "--port": "0",
        "--unixsocket": "/tmp/run/valkey.sock",
        "--save": "",
        "--appendonly": "no",
        "--maxmemory": "64mb",
        "--maxmemory-policy": "allkeys-lfu",
    }.items() <= options.items()


def test_a_run_directory_with_too_long_a_name() -> None:
    """A path that no unix socket can have is refused before Valkey starts."""
    with pytest.raises(CannotStart, match="set TMPDIR to a shorter one"):
        valkey_component(Path("/tmp") / ("x" * 100), memory="64mb")


def test_each_model_is_three_triton_models() -> None:
    """A model name stands for an encoder and two decoders."""
    assert ("a_encoder", "a_decoder", "a_decoder_multi", "b_encoder", "b_decoder", "b_decoder_multi") == triton_models(
        ["a", "b"]
    )


def test_triton_loads_the_wanted_models_only() -> None:
    """Models are loaded by name, and their configurations stay as they are written."""
    command = triton_command(Path("tritonserver"), TRITON)

    assert {
        "--model-control-mode=explicit",
        "--load-model=lite0_encoder",
        "--load-model=lite0_decoder",
        "--disable-auto-complete-config",
    } <= set(command)


@pytest.mark.parametrize(("several", "ends"), [(True, "false"), (False, "true")])
def test_a_model_that_cannot_be_loaded(*, several: bool, ends: str) -> None:
    """Where others can be served Triton goes on without it; alone it ends Triton, whose log says why."""
    command = triton_command(Path("tritonserver"), replace(TRITON, serve_what_loads=several))

    assert f"--exit-on-error={ends}" in command


@pytest.mark.parametrize("must", [True, False])
def test_shared_memory_is_allowed_where_that_is_an_option(*, must: bool) -> None:
    """A Triton that would refuse clients' memory is told to take it; an older one would not start with the option."""
    command = triton_command(Path("tritonserver"), replace(TRITON, must_allow_shared_memory=must))

    assert must == ("--allow-client-shm=true" in command)


def test_large_models_get_more_time_to_load(tmp_path: Path) -> None:
    """How long Triton may take to be ready grows with the files of the models that it loads."""
    settings = replace(TRITON, model_repository=tmp_path)
    graph = tmp_path / "lite0_encoder" / "1" / "model.onnx"
    before = patience(settings)
    graph.parent.mkdir(parents=True)
    graph.touch()
    os.truncate(graph, 1_300_000_000)  # ViT-H's weights, as a hole

    assert (300, 950) == (before, patience(settings))


def test_triton_stays_on_the_loopback() -> None:
    """Both of Triton's endpoints listen on the loopback; HTTP is off."""
    command = triton_command(Path("tritonserver"), TRITON)

    assert {"--allow-http=false", "--grpc-address=127.0.0.1", "--metrics-address=127.0.0.1"} <= set(command)


def test_shared_memory_can_be_told_apart() -> None:
    """The Python backend's regions in /dev/shm bear the run directory's name, by which the reaper finds them."""
    assert "--backend-config=python,shm-region-prefix-name=maskgate-x" in triton_command(Path("tritonserver"), TRITON)


def test_the_gateway_is_told_where_everything_is() -> None:
    """The gateway gets its own addresses and those of Valkey and Triton."""
    config = StackConfig(host="::1", grpc_port=1, http_port=2, triton_grpc_port=3, models=("a", "b"), workers=4)

    endpoints = create_endpoints(config, run_directory=RUN)
    command = gateway_command(config, endpoints, shared_memory_prefix="maskgate-x")

    assert (
        *(sys.executable, "-m", "maskgate", "serve"),
        *("--host", "::1", "--grpc-port", "1", "--http-port", "2"),
        *("--workers", "4"),
        *("--redis-url", "unix:///tmp/run/valkey.sock", "--triton-url", "127.0.0.1:3"),
        *("--shared-memory-prefix", "maskgate-x"),
        *("--model", "a", "--model", "b"),
    ) == command


def test_the_gateway_is_told_that_it_may_be_open() -> None:
    """Only a stack that was told so starts a gateway that everybody may use."""
    endpoints = create_endpoints(StackConfig(), run_directory=RUN)

    assert [True, False] == [
        "--insecure" in gateway_command(StackConfig(insecure=insecure), endpoints, shared_memory_prefix="x")
        for insecure in (True, False)
    ]


def test_given_servers_are_used() -> None:
    """`--redis-url` and `--triton-url` are what clients get to know."""
    config = StackConfig(redis_url="redis://cache:6379", triton_url="triton:8001")

    endpoints = create_endpoints(config, run_directory=RUN)

    assert ("redis://cache:6379", "triton:8001", None) == (
        endpoints.redis,
        endpoints.triton_grpc,
        endpoints.triton_metrics,
    )
