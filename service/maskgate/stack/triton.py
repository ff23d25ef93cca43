"""The Triton server of the stack: its command line, and how to see that it serves the models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

from maskgate.stack.component import Component
from maskgate.stack.model_control import ModelControl
from maskgate.stack.models import ModelWatch
from maskgate.stack.stubs import Stubs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from maskgate.stack.discovery import TritonInstall

LOOPBACK = "127.0.0.1"
PARTS = ("encoder", "decoder", "decoder_multi")
ALLOW_SHARED_MEMORY = "allow-client-shm"
PROBE_SECONDS = 2.0
EXIT_SECONDS = 10
LEAST_READY_SECONDS = 300.0
LOADED_PER_SECOND = 2_000_000
"""Bytes of a model that are compiled and warmed up in a second, at the least; two busy cores did 9 MB of ViT-H."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TritonSettings:
    """What the server is to serve, and where."""

    models: tuple[str, ...]
    """Names as Triton knows them: `lite0_encoder` …"""
    model_repository: Path
    backends: Path
    grpc_port: int
    metrics_port: int
    shared_memory_prefix: str
    """Begins the name of every region in /dev/shm that its Python backend makes."""
    gpu: bool
    must_allow_shared_memory: bool = False
    """Whether clients may share memory with it only if told so: from 26.05 on."""
    serve_what_loads: bool = False
    """Whether a model that cannot be loaded leaves the others to be served, instead of ending the server."""
    otlp_endpoint: str | None = None
    """Base URL of who gets spans of the inferences that are part of a trace."""

    @property
    def address(self) -> str:
        """The `host:port` of its gRPC endpoint."""
        return f"{LOOPBACK}:{self.grpc_port}"


def triton_component(install: TritonInstall, settings: TritonSettings) -> Component:
    """A Triton that is ready when it is through with loading its models, warm-up included."""
    control = ModelControl(settings.address, settings.models)
    watch = ModelWatch(control, Stubs(backends=settings.backends, model_repository=settings.model_repository))
    return Component(
        name="triton",
        command=triton_command(install.executable, settings),
        environment=install.environment,
        is_ready=control.has_settled,
        where=f"gRPC {settings.address}, metrics on port {settings.metrics_port}",
        ready_seconds=patience(settings),
        stop_seconds=EXIT_SECONDS + 5.0,
        take_stock=watch.take_stock,
        mend=watch.mend,
    )


def patience(settings: TritonSettings) -> float:
    """Seconds that it may take to be ready: what takes long to compile and to warm up is what has many weights."""
    versions = (settings.model_repository / model / "1" for model in settings.models)
    return (
        LEAST_READY_SECONDS + sum(file.stat().st_size for it in versions for file in it.glob("*")) / LOADED_PER_SECOND
    )


def triton_models(names: Iterable[str]) -> tuple[str, ...]:
    """The Triton models behind the given model names: three for each."""
    return tuple(f"{name}_{part}" for name in names for part in PARTS)


def triton_command(executable: Path, settings: TritonSettings) -> tuple[str, ...]:
    """The command line."""
    options = {
        "model-repository": settings.model_repository,
        "backend-directory": settings.backends,
        "backend-config": f"python,shm-region-prefix-name={settings.shared_memory_prefix}",
        "model-control-mode": "explicit",
        "exit-on-error": str(not settings.serve_what_loads).lower(),
        "exit-timeout-secs": EXIT_SECONDS,
        "allow-http": "false",
        "grpc-address": LOOPBACK,
        "grpc-port": settings.grpc_port,
        # While it waits the gateway pings a connection that is silent for 30 s (adapters/triton/backend.py).
        # By default one ping in five minutes is allowed, and the third that comes too soon gets a GOAWAY.
        "grpc-http2-min-recv-ping-interval-without-data": 10_000,
        "grpc-keepalive-permit-without-calls": 1,
        "metrics-address": LOOPBACK,
        "metrics-port": settings.metrics_port,
        "allow-gpu-metrics": str(settings.gpu).lower(),
        "log-format": "ISO8601",
    }
    return (
        str(executable),
        "--disable-auto-complete-config",
        *((f"--{ALLOW_SHARED_MEMORY}=true",) if settings.must_allow_shared_memory else ()),
        *(f"--{name}={value}" for name, value in options.items()),
        *(f"--load-model={model}" for model in settings.models),
        *(() if settings.otlp_endpoint is None else _trace_options(settings.otlp_endpoint)),
    )


def _trace_options(endpoint: str) -> tuple[str, ...]:
    """Add to the traces that come with requests; at a rate of 0 it begins none of its own."""
    traces = {"mode": "opentelemetry", "level": "TIMESTAMPS", "rate": 0}
    return (
        *(f"--trace-config={name}={value}" for name, value in traces.items()),
        f"--trace-config=opentelemetry,url={endpoint.rstrip('/')}/v1/traces",
        "--trace-config=opentelemetry,bsp_schedule_delay=1000",
    )


def serves(address: str, *, models: Sequence[str]) -> bool:
    """Whether the server at `address` is ready and so is each of the models."""
    # An environment's http_proxy must not get in the way of the loopback.
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        try:
            server = stub.ServerReady(service_pb2.ServerReadyRequest(), timeout=PROBE_SECONDS)
            return server.ready and all(_is_model_ready(stub, model) for model in models)
        except grpc.RpcError:
            return False


def _is_model_ready(stub: service_pb2_grpc.GRPCInferenceServiceStub, model: str) -> bool:
    answer = stub.ModelReady(service_pb2.ModelReadyRequest(name=model), timeout=PROBE_SECONDS)
    return bool(answer.ready)
