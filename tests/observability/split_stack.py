"""The real stack with its tiers apart: a gateway, a Triton that decodes, one that encodes, and a Valkey."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from maskgate.stack import EmbeddedStack, StackConfig
from maskgate.stack.backends import assemble_backends
from maskgate.stack.child import Child
from maskgate.stack.discovery import find_triton, has_gpu
from maskgate.stack.gateway import gateway_component
from maskgate.stack.listeners import Listener, choose_ports
from maskgate.stack.plan import create_endpoints, tensorrt_backend, with_chosen_ports
from maskgate.stack.triton import LOOPBACK, TritonSettings, triton_component
from tests.integration.replicas.gateways import START_SECONDS, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maskgate.stack.component import Component
    from maskgate.stack.config import Endpoints

REPOSITORY = Path("model_repository").resolve()
START_OF_ENCODER_SECONDS = 5.0
TRITON_SECONDS = 300.0


@dataclass
class Tier:
    """A Triton that can be stopped, and started again at the same place.

    Attributes:
        address: Of its gRPC endpoint.
        metrics: `host:port` of its metrics.
    """

    component: Component
    folder: Path
    address: str
    metrics: str
    running: Child | None = field(default=None)

    def start(self) -> None:
        self.running = Child(self.component, run_directory=self.folder)
        wait_until(self.component.is_ready, seconds=TRITON_SECONDS)

    def stop(self) -> None:
        if self.running is not None:
            self.running.stop()
        self.running = None


@dataclass(frozen=True)
class SplitStack:
    """What of it a test needs."""

    gateway: Endpoints
    decoder: Tier
    encoder: Tier


@contextmanager
def split_stack() -> Iterator[SplitStack]:
    """Run it; the encoder is one that may be away."""
    with ExitStack() as running:
        valkey = running.enter_context(EmbeddedStack(StackConfig(triton=False)))
        folder = Path(valkey.endpoints.redis.removeprefix("unix://")).parent
        tiers = [_tier(folder, *parts) for parts in (("decoder", "decoder_multi"), ("encoder",))]
        for tier in tiers:
            tier.start()
            running.callback(tier.stop)
        decoder, encoder = tiers
        endpoints = running.enter_context(_gateway(folder, valkey, decoder=decoder, encoder=encoder))
        yield SplitStack(endpoints, decoder, encoder)


def _tier(folder: Path, *parts: str) -> Tier:
    ports = choose_ports([Listener(LOOPBACK, 0, option) for option in ("grpc", "metrics")])
    own = folder / parts[0]
    own.mkdir()
    (own / "models").symlink_to(REPOSITORY)
    install = find_triton(tritonserver=None, python=None)
    settings = TritonSettings(
        models=tuple(f"lite0_{part}" for part in parts),
        model_repository=own / "models",
        backends=own / "backends",
        grpc_port=ports["grpc"],
        metrics_port=ports["metrics"],
        shared_memory_prefix=folder.name,
        gpu=has_gpu(),
    )
    assemble_backends(install, tensorrt=tensorrt_backend(install, settings), into=settings.backends)
    component = replace(triton_component(install, settings), name=parts[0])
    return Tier(component, folder, settings.address, f"{LOOPBACK}:{ports['metrics']}")


@contextmanager
def _gateway(folder: Path, valkey: EmbeddedStack, *, decoder: Tier, encoder: Tier) -> Iterator[Endpoints]:
    config = StackConfig(triton_url=decoder.address, redis_url=valkey.endpoints.redis, grpc_port=0, http_port=0)
    config = with_chosen_ports(config)
    endpoints = create_endpoints(config, run_directory=folder)
    component = gateway_component(config, endpoints, shared_memory_prefix=folder.name)
    environment = {
        "MASKGATE_ENCODER_URL": encoder.address,
        "MASKGATE_ENCODER_START_SECONDS": str(START_OF_ENCODER_SECONDS),
        "MASKGATE_PROBE_INTERVAL_SECONDS": "0.5",
    }
    child = Child(replace(component, environment=environment), run_directory=folder)
    try:
        wait_until(component.is_ready, seconds=START_SECONDS)
        yield endpoints
    finally:
        child.stop()
