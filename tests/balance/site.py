"""A site: two gateways behind an Envoy, two Tritons, and a Valkey."""

from __future__ import annotations

import os
import signal
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from prometheus_client.parser import text_string_to_metric_families

from benchmarks import instant_model
from maskgate.stack import EmbeddedStack, StackConfig
from maskgate.stack.child import Child
from maskgate.stack.gateway import gateway_component
from maskgate.stack.plan import create_endpoints, with_chosen_ports
from tests.balance.envoy import LOOPBACK, Envoy, Listening

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from maskgate.stack import Endpoints

MODEL = "instant"
COUNT = 2
WAIT_SECONDS = 30.0
POLL_SECONDS = 0.05
LEAVING_SECONDS = 1.0
"""What an orchestrator gives balancers to hear that a Triton leaves, before it is told to stop (preStop)."""
SETTINGS = {
    "MASKGATE_STOP_DELAY_SECONDS": "3",
    "MASKGATE_CONNECTION_AGE_SECONDS": "2",  # so that connections end all the time
    "MASKGATE_EMBEDDING_MEMORY_BYTES": str(64 << 20),
}
UNSHARED = {"MASKGATE_SHARED_MEMORY": "off"}
"""Of several Tritons behind one address nobody knows which would map it."""


class Tritons(Enum):
    """How gateways reach them."""

    BEHIND_ENVOY = "Envoy chooses"
    SIDE_BY_SIDE = "gateways choose"


class Gateway:
    """One of them, on the same ports whenever it is started."""

    def __init__(self, number: int, folder: Path, triton: str, settings: Mapping[str, str]) -> None:
        """Start it."""
        config = with_chosen_ports(
            StackConfig(
                models=(MODEL,),
                triton_url=triton,
                redis_url=f"unix://{folder / 'valkey.sock'}",
                grpc_port=0,
                http_port=0,
            )
        )
        self.endpoints: Endpoints = create_endpoints(config, run_directory=folder)
        self.grpc_port, self.http_port = config.grpc_port, config.http_port
        component = gateway_component(config, self.endpoints, shared_memory_prefix=folder.name)
        self._component = replace(component, name=f"gateway{number}", environment=settings)
        self._folder = folder
        self.start()

    @property
    def is_ready(self) -> bool:
        """Whether it says so."""
        return self._component.is_ready()

    def start(self) -> None:
        """Start it."""
        self.process = Child(self._component, run_directory=self._folder)

    def restart(self) -> None:
        """Stop it as an orchestrator does, and start it again."""
        self.process.stop()
        self.start()
        wait_until(lambda: self.is_ready)

    def kill(self) -> None:
        """End it as a crash does."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.stop()


class Triton:
    """One of them."""

    def __init__(self, stack: EmbeddedStack) -> None:
        self.stack = stack
        self.address = str(stack.endpoints.triton_grpc)
        self.port = int(self.address.rpartition(":")[2])

    @property
    def decoded(self) -> int:
        """How many prompts it has answered."""
        text = httpx.get(str(self.stack.endpoints.triton_metrics), trust_env=False, timeout=WAIT_SECONDS).text
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        labels = {"model": f"{MODEL}_decoder"}
        return int(
            sum(
                it.value
                for it in samples
                if it.name == "nv_inference_request_success_total" and labels.items() <= it.labels.items()
            )
        )

    def kill(self) -> None:
        """End it as a crash does."""
        os.kill(self.stack.pid("triton"), signal.SIGKILL)
        self.stack.stop("triton")


@dataclass(frozen=True)
class Site:
    """All of it."""

    reached: Tritons
    valkey: EmbeddedStack
    tritons: tuple[Triton, ...]
    gateways: tuple[Gateway, ...]
    envoy: Envoy

    @property
    def address(self) -> str:
        """Where clients reach it, over gRPC and REST."""
        return f"{LOOPBACK}:{self.envoy.listening.gateways}"

    def restart_gateways(self) -> None:
        """One after the other; Envoy finds out by itself, from their health."""
        for gateway in self.gateways:
            gateway.restart()
            self.settle("gateways_grpc", "gateways_rest")

    def restart_tritons(self) -> None:
        """One after the other; Envoy is told before, as by a Service of its pods, and gateways find out."""
        for triton in self.tritons:
            if self.reached is Tritons.BEHIND_ENVOY:
                self.envoy.point("tritons", tuple(other.port for other in self.tritons if other is not triton))
                time.sleep(LEAVING_SECONDS)
            triton.stack.restart("triton")
            self.envoy.point("tritons", tuple(each.port for each in self.tritons))
            self.settle("tritons")

    def restart_valkey(self) -> None:
        """There is one: what it knew is gone."""
        self.valkey.restart("valkey")

    def settle(self, *clusters: str) -> None:
        """Wait until Envoy sends calls to all."""
        for cluster in clusters:
            wait_until(lambda cluster=cluster: self.envoy.healthy(cluster) == COUNT)


@contextmanager
def running_site(folder: Path, reached: Tritons) -> Iterator[Site]:
    """Run one."""
    repository = instant_model.write_repository(folder / "models", model=MODEL)
    with ExitStack() as running:
        valkey = running.enter_context(EmbeddedStack(StackConfig(triton=False)))
        run_directory = Path(valkey.endpoints.redis.removeprefix("unix://")).parent
        tritons = tuple(Triton(running.enter_context(EmbeddedStack(_triton(repository)))) for _ in range(COUNT))
        ports = with_chosen_ports(StackConfig(grpc_port=0, http_port=0, triton_grpc_port=0, triton_metrics_port=0))
        listening = Listening(admin=ports.http_port, gateways=ports.grpc_port, tritons=ports.triton_grpc_port)
        triton_url, settings = _of_gateways(reached, listening, tritons)
        gateways = []
        for number in range(COUNT):
            gateways.append(Gateway(number, run_directory, triton_url, settings))
            running.callback(lambda gateway=gateways[-1]: gateway.process.stop())
        endpoints = {
            "gateways_grpc": tuple(gateway.grpc_port for gateway in gateways),
            "gateways_rest": tuple(gateway.http_port for gateway in gateways),
            "tritons": tuple(triton.port for triton in tritons),
        }
        envoy = Envoy(run_directory, listening, endpoints)
        running.callback(envoy.process.stop)
        site = Site(reached, valkey, tritons, tuple(gateways), envoy)
        wait_until(envoy.process.component.is_ready)
        site.settle(*endpoints)
        yield site


def _of_gateways(reached: Tritons, listening: Listening, tritons: Sequence[Triton]) -> tuple[str, Mapping[str, str]]:
    """Where they find Tritons, and their other settings."""
    if reached is Tritons.SIDE_BY_SIDE:
        return ",".join(triton.address for triton in tritons), SETTINGS
    return f"{LOOPBACK}:{listening.tritons}", {**SETTINGS, **UNSHARED}


def _triton(repository: Path) -> StackConfig:
    return StackConfig(
        models=(MODEL,),
        model_repository=repository,
        redis_url="redis://127.0.0.1:1",  # none is started, and none is asked: there is no gateway
        gateway=False,
        triton_grpc_port=0,
        triton_metrics_port=0,
    )


def wait_until(condition: Callable[[], bool], *, seconds: float = WAIT_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(POLL_SECONDS)
