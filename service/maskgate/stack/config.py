"""What a stack is asked to be, and where it can be reached once it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class StackConfig:
    """What to start; every port may be 0, which stands for any free one."""

    models: tuple[str, ...] = ("lite0",)
    model_repository: Path | None = None
    """None: `model_repository` in the working directory or the checkout."""
    host: str = "127.0.0.1"
    """The gateway's address. Valkey has no TCP port and Triton stays on the loopback."""
    insecure: bool = False
    """Whether the gateway may listen elsewhere than on the loopback although everybody may do everything."""
    grpc_port: int = 50051
    http_port: int = 8080
    workers: int = 1
    """Processes of the gateway, on one port."""
    triton_grpc_port: int = 8001
    triton_metrics_port: int = 8002
    triton_url: str | None = None
    """`host:port` of a running Triton: none is started."""
    tritonserver: Path | None = None
    """An installed `tritonserver`. None: the one on PATH, else the one of `triton_python`."""
    triton_python: Path | None = None
    """A Python with the wheel `nvidia-pytriton`. None: `.venv-triton`'s."""
    redis_url: str | None = None
    """A running Redis or Valkey: none is started."""
    cache_memory: str = "256mb"
    otlp_endpoint: str | None = None
    """Base URL of an OTLP/HTTP receiver that gets the traces of the gateway and of Triton. None: none are kept."""
    triton: bool = True
    """False leaves Triton out, and with it the gateway, which needs one; for tests."""
    gateway: bool = True
    """False leaves the gateway out; for tests."""

    @property
    def starts_valkey(self) -> bool:
        """Whether the stack runs a Valkey of its own."""
        return self.redis_url is None

    @property
    def starts_triton(self) -> bool:
        """Whether the stack runs a Triton of its own."""
        return self.triton and self.triton_url is None

    @property
    def starts_gateway(self) -> bool:
        """Whether the stack runs a gateway."""
        return self.gateway and self.triton


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where clients on this machine reach the stack; None where it has no such part."""

    grpc: str | None
    """The gateway's `host:port`."""
    http: str | None
    """The gateway's base URL."""
    redis: str
    triton_grpc: str | None
    triton_metrics: str | None
    """The URL of Triton's metrics; None also where Triton runs elsewhere."""
