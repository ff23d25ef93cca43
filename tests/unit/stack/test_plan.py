from __future__ import annotations

import socket
from pathlib import Path

import pytest

from maskgate.stack.config import StackConfig
from maskgate.stack.errors import CannotStart, NotInstalled, PortInUse
from maskgate.stack.plan import create_plan, with_chosen_ports

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
