"""Turns a configuration into components, in the order in which they start; nothing is started here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from maskgate.stack.backends import assemble_backends
from maskgate.stack.checkout import require_in_checkout
from maskgate.stack.config import Endpoints, StackConfig
from maskgate.stack.discovery import find_triton, has_gpu
from maskgate.stack.errors import CannotStart, NotInstalled
from maskgate.stack.gateway import gateway_component
from maskgate.stack.listeners import Listener, choose_ports, reachable_at
from maskgate.stack.triton import ALLOW_SHARED_MEMORY, LOOPBACK, TritonSettings, serves, triton_component, triton_models
from maskgate.stack.valkey import socket_path, valkey_component

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from maskgate.stack.component import Component
    from maskgate.stack.discovery import TritonInstall

MODEL_REPOSITORY = "model_repository"
TENSORRT_ON_CPU = "deploy/triton/backends/tensorrt"
REDIS_SCHEMES = ("redis://", "rediss://", "unix://")


@dataclass(frozen=True, slots=True)
class Plan:
    """The components to start, in order, and where the stack will then be reached."""

    components: tuple[Component, ...]
    endpoints: Endpoints


def create_plan(config: StackConfig, *, run_directory: Path) -> Plan:
    """Checks all that can be checked before anything starts (ports, programs, models) and plans the rest.

    Raises:
        CannotStart: The stack cannot be started like this.
    """
    _require_redis_url(config)
    config = with_chosen_ports(config)
    endpoints = create_endpoints(config, run_directory=run_directory)
    return Plan(tuple(_components(config, endpoints, run_directory=run_directory)), endpoints)


def with_chosen_ports(config: StackConfig) -> StackConfig:
    """Puts a free port in the place of every 0.

    Raises:
        CannotStart: A port is taken, or the host is not an address of this machine.
    """
    listeners: list[Listener] = []
    if config.starts_triton:
        listeners.append(Listener(LOOPBACK, config.triton_grpc_port, "--triton-grpc-port"))
        listeners.append(Listener(LOOPBACK, config.triton_metrics_port, "--triton-metrics-port"))
    if config.starts_gateway:
        listeners.append(Listener(config.host, config.grpc_port, "--grpc-port"))
        listeners.append(Listener(config.host, config.http_port, "--http-port"))
    ports = choose_ports(listeners)
    return replace(
        config,
        triton_grpc_port=ports.get("--triton-grpc-port", config.triton_grpc_port),
        triton_metrics_port=ports.get("--triton-metrics-port", config.triton_metrics_port),
        grpc_port=ports.get("--grpc-port", config.grpc_port),
        http_port=ports.get("--http-port", config.http_port),
    )


def create_endpoints(config: StackConfig, *, run_directory: Path) -> Endpoints:
    """Where the stack will be reached; the configuration's ports are chosen already."""
    triton, gateway = config.starts_triton, config.starts_gateway
    return Endpoints(
        grpc=reachable_at(config.host, config.grpc_port) if gateway else None,
        http=f"http://{reachable_at(config.host, config.http_port)}" if gateway else None,
        redis=config.redis_url or f"unix://{socket_path(run_directory)}",
        triton_grpc=f"{LOOPBACK}:{config.triton_grpc_port}" if triton else config.triton_url,
        triton_metrics=f"http://{LOOPBACK}:{config.triton_metrics_port}/metrics" if triton else None,
    )


def tensorrt_backend(install: TritonInstall, settings: TritonSettings) -> Path | None:
    """The folder that takes the place of the server's own TensorRT backend, where that could not work.

    That one needs a GPU, and a plan of every model: plans are built for one GPU and one TensorRT, so a repository may
    hold the ONNX files alone.
    """
    if settings.gpu and install.has_tensorrt and _has_plans(settings.model_repository, models=settings.models):
        return None
    return require_in_checkout(TENSORRT_ON_CPU, option="--triton-url")


def _components(config: StackConfig, endpoints: Endpoints, *, run_directory: Path) -> Iterator[Component]:
    if config.starts_valkey:
        yield valkey_component(run_directory, memory=config.cache_memory)
    if config.starts_triton:
        yield _plan_triton(config, run_directory=run_directory)
    elif config.triton_url is not None:
        _require_served(config.triton_url, models=triton_models(config.models))
    if config.starts_gateway:
        yield gateway_component(config, endpoints, shared_memory_prefix=run_directory.name)


def _linked(repository: Path, *, into: Path) -> Path:
    """Give Triton a path without spaces, at which its Python backend would part the stub's command line."""
    link = into / "models"
    link.symlink_to(repository.resolve())
    return link


def _plan_triton(config: StackConfig, *, run_directory: Path) -> Component:
    models = triton_models(config.models)
    repository = config.model_repository or require_in_checkout(MODEL_REPOSITORY, option="--model-repository")
    _require_models(repository, models=models)
    install = find_triton(tritonserver=config.tritonserver, python=config.triton_python)
    gpu = has_gpu()
    settings = TritonSettings(
        models=models,
        model_repository=_linked(repository, into=run_directory),
        backends=run_directory / "backends",
        grpc_port=config.triton_grpc_port,
        metrics_port=config.triton_metrics_port,
        shared_memory_prefix=run_directory.name,
        gpu=gpu,
        must_allow_shared_memory=install.knows(ALLOW_SHARED_MEMORY),
        serve_what_loads=len(config.models) > 1,
        otlp_endpoint=config.otlp_endpoint,
    )
    assemble_backends(install, tensorrt=tensorrt_backend(install, settings), into=settings.backends)
    return triton_component(install, settings)


def _require_models(repository: Path, *, models: Iterable[str]) -> None:
    missing = [model for model in models if not (repository / model).is_dir()]
    if missing:
        raise NotInstalled(f"'{repository}' has no {', '.join(missing)}; choose other models with --model")


def _has_plans(repository: Path, *, models: Iterable[str]) -> bool:
    return all(any((repository / model / "1").glob("*.plan")) for model in models)


def _require_redis_url(config: StackConfig) -> None:
    if config.redis_url is not None and not config.redis_url.startswith(REDIS_SCHEMES):
        raise CannotStart(f"--redis-url must start with {', '.join(REDIS_SCHEMES[:-1])} or {REDIS_SCHEMES[-1]}")


def _require_served(addresses: str, *, models: tuple[str, ...]) -> None:
    for address in addresses.split(","):
        if not serves(address, models=models):
            raise CannotStart(f"the Triton at {address} (--triton-url) does not serve {', '.join(models)}")
