from __future__ import annotations

import socket
from pathlib import Path

import pytest

from maskgate.stack.config import StackConfig
from maskgate.stack.discovery import TritonInstall
from maskgate.stack.errors import CannotStart, NotInstalled, PortInUse
from maskgate.stack.plan import create_plan, tensorrt_backend, with_chosen_ports
from maskgate.stack.triton import TritonSettings, triton_models

ANY_PORTS = StackConfig(grpc_port=0, http_port=0, triton_grpc_port=0, triton_metrics_port=0)


def test_every_port_is_chosen() -> None:
    """No port is 0 once they are chosen."""
    config = with_chosen_ports(ANY_PORTS)

    assert 0 not in {config.grpc_port, config.http_port, config.triton_grpc_port, config.triton_metrics_port}


def test_ports_of_what_is_not_started_may_be_in_use() -> None:
    """Only ports that the stack is going to listen on are checked."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = StackConfig(triton=False, http_port=taken.getsockname()[1])

        assert config == with_chosen_ports(config)


def test_a_port_in_use_is_found_before_anything_else(tmp_path: Path) -> None:
    """A taken port is reported although the model repository is missing as well."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = StackConfig(http_port=taken.getsockname()[1], grpc_port=0, triton_grpc_port=0, triton_metrics_port=0)

        with pytest.raises(PortInUse, match="--http-port"):
            create_plan(config, run_directory=tmp_path)


def test_missing_models_are_named(tmp_path: Path) -> None:
    """Models that the repository has not got are named before anything starts."""
    (tmp_path / "lite0_decoder").mkdir()
    config = StackConfig(grpc_port=0, http_port=0, triton_grpc_port=0, triton_metrics_port=0, model_repository=tmp_path)

    with pytest.raises(NotInstalled, match="has no lite0_encoder, lite0_decoder_multi; choose other models"):
        create_plan(config, run_directory=tmp_path)


def test_a_triton_that_is_not_there(tmp_path: Path) -> None:
    """A `--triton-url` at which nobody serves the models is an error that says so."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        address = f"127.0.0.1:{unused.getsockname()[1]}"

    with pytest.raises(CannotStart, match=rf"Triton at {address} \(--triton-url\) does not serve lite0_encoder"):
        create_plan(StackConfig(triton_url=address, grpc_port=0, http_port=0), run_directory=tmp_path)


def test_a_given_redis_means_no_valkey(tmp_path: Path) -> None:
    """With `--redis-url` nothing of the kind is started."""
    plan = create_plan(StackConfig(redis_url="redis://cache", triton=False), run_directory=tmp_path)

    assert () == plan.components


def test_valkey_alone(tmp_path: Path) -> None:
    """Without Triton there is no gateway either."""
    plan = create_plan(StackConfig(triton=False), run_directory=Path("/tmp/run"))

    assert ["valkey"] == [component.name for component in plan.components]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("url", ["localhost:6379", "cache", "http://cache:6379", ""])
def test_a_redis_url_says_what_it_is(tmp_path: Path, url: str) -> None:
    """A `--redis-url` that is no URL of Redis is refused before anything starts."""
    with pytest.raises(CannotStart) as caught:
        create_plan(StackConfig(redis_url=url, triton=False), run_directory=tmp_path)

    assert "--redis-url must start with redis://, rediss:// or unix://" == str(caught.value)


@pytest.fixture
def container(tmp_path: Path) -> TritonInstall:
    """A server that brings the real TensorRT backend."""
    backends = tmp_path / "backends"
    (backends / "tensorrt").mkdir(parents=True)
    (backends / "tensorrt" / "libtriton_tensorrt.so").touch()
    return TritonInstall(executable=tmp_path / "tritonserver", backends=backends)


def settings_with(*models: str, gpu: bool, into: Path) -> TritonSettings:
    """Settings for lite0, with a repository that holds plans of the given Triton models and ONNX of all of them."""
    for model in triton_models(["lite0"]):
        folder = into / "models" / model / "1"
        folder.mkdir(parents=True)
        (folder / "model.onnx").touch()
        if model in models:
            (folder / "model.plan").touch()
    return TritonSettings(
        models=triton_models(["lite0"]),
        model_repository=into / "models",
        backends=into / "assembled",
        grpc_port=8001,
        metrics_port=8002,
        shared_memory_prefix="maskgate-x",
        gpu=gpu,
    )


def test_plans_are_served_by_tensorrt(tmp_path: Path, container: TritonInstall) -> None:
    """With a GPU, the server's own TensorRT and a plan of every model, ours is not wanted."""
    settings = settings_with(*triton_models(["lite0"]), gpu=True, into=tmp_path)

    assert tensorrt_backend(container, settings) is None


@pytest.mark.parametrize(
    ("planned", "gpu"),
    [
        ((), True),
        (("lite0_encoder",), True),
        (triton_models(["lite0"]), False),
    ],
)
def test_onnx_alone_is_served_by_our_backend(
    tmp_path: Path, container: TritonInstall, planned: tuple[str, ...], *, gpu: bool
) -> None:
    """Without a GPU, or where any model has only its ONNX file, the server's own TensorRT is replaced."""
    settings = settings_with(*planned, gpu=gpu, into=tmp_path)

    assert Path("deploy/triton/backends/tensorrt").absolute() == tensorrt_backend(container, settings)
