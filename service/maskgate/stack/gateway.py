"""The gateway of the stack: `maskgate serve` as a child process."""

from __future__ import annotations

import http.client
import sys
from typing import TYPE_CHECKING

from maskgate.stack.component import Component
from maskgate.stack.listeners import reachable_at

if TYPE_CHECKING:
    from maskgate.stack.config import Endpoints, StackConfig

PROBE_SECONDS = 2.0


def gateway_component(config: StackConfig, endpoints: Endpoints, *, shared_memory_prefix: str) -> Component:
    """A gateway that is ready when its `/readyz` says so."""
    authority = reachable_at(config.host, config.http_port)
    return Component(
        name="gateway",
        command=gateway_command(config, endpoints, shared_memory_prefix=shared_memory_prefix),
        is_ready=lambda: says_ready(authority),
        where=f"gRPC {endpoints.grpc}, REST {endpoints.http}",
        ready_seconds=60.0,
        stop_seconds=25.0,  # it drains its calls for 10 s, then its encodes for 10 s
    )


def gateway_command(config: StackConfig, endpoints: Endpoints, *, shared_memory_prefix: str) -> tuple[str, ...]:
    """The command line; the configuration's ports are chosen already. The prefix is what the reaper looks for."""
    options = {
        "--host": config.host,
        "--grpc-port": str(config.grpc_port),
        "--http-port": str(config.http_port),
        "--workers": str(config.workers),
        "--redis-url": endpoints.redis,
        "--triton-url": str(endpoints.triton_grpc),
        "--shared-memory-prefix": shared_memory_prefix,
    }
    return (
        *(sys.executable, "-m", "maskgate", "serve"),
        *(part for option in options.items() for part in option),
        *(("--insecure",) if config.insecure else ()),
        *(("--otlp-endpoint", config.otlp_endpoint) if config.otlp_endpoint else ()),
        *(part for model in config.models for part in ("--model", model)),
    )


def says_ready(authority: str) -> bool:
    """Whether `GET /readyz` answers 200; asked without a proxy, whatever the environment says."""
    connection = http.client.HTTPConnection(authority, timeout=PROBE_SECONDS)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
