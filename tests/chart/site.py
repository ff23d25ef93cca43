"""Runs the pods of a rendered chart on this machine: their very commands and environment, without a cluster.

What only a cluster gives is put in: addresses and ports (all pods share one network here) and folders of the images.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maskgate.stack.backends import assemble_backends
from maskgate.stack.child import Child
from maskgate.stack.component import Component
from maskgate.stack.discovery import find_triton
from maskgate.stack.gateway import says_ready
from maskgate.stack.listeners import Listener, choose_ports
from maskgate.stack.triton import ALLOW_SHARED_MEMORY, serves
from tests.chart.helm import ROOT
from tests.chart.objects import environment, options, pod
from tests.integration.replicas.gateways import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.chart.helm import Object

START_SECONDS = 300
PORTS = ("decoder", "decoder-metrics", "encoder", "encoder-metrics", "grpc", "http")


@dataclass(frozen=True)
class Site:
    """The pods that run.

    Attributes:
        ports: By what listens there.
        children: The containers, by name.
        folder: Where their files are.
    """

    ports: Mapping[str, int]
    children: dict[str, Child]
    folder: Path

    def address(self, name: str) -> str:
        """The `host:port` of what listens."""
        return f"127.0.0.1:{self.ports[name]}"


@contextmanager
def site(documents: list[Object], *, redis: str, folder: Path) -> Iterator[Site]:
    """Run the gateway's pod and an encoder's, until leaving."""
    running = Site(choose_ports(Listener("127.0.0.1", 0, name) for name in PORTS), {}, folder)
    gateway, encoder = pod(documents, "maskgate-gateway"), pod(documents, "maskgate-encoder-cpu")
    install = find_triton()
    assemble_backends(install, tensorrt=ROOT / "deploy/triton/backends/tensorrt", into=folder / "backends")
    (folder / "models").symlink_to(ROOT / "model_repository")
    with ExitStack() as stack:
        for name, triton in (("decoder", gateway.container("triton")), ("encoder", encoder.container("triton"))):
            stack.callback(_start(running, _triton(running, name, triton["command"])).stop)
        stack.callback(_start(running, _gateway(running, gateway.container("gateway"), redis)).stop)
        for child in running.children.values():
            wait_until(child.component.is_ready, seconds=START_SECONDS)
        yield running


def _start(running: Site, component: Component) -> Child:
    child = Child(component, run_directory=running.folder)
    running.children[component.name] = child
    return child


def _triton(running: Site, name: str, command: list[str]) -> Component:
    install = find_triton()
    here = {
        "model-repository": str(running.folder / "models"),
        "backend-directory": str(running.folder / "backends"),
        "backend-config": f"python,shm-region-prefix-name={running.folder.name}",
        "grpc-port": str(running.ports[name]),
        "metrics-port": str(running.ports[f"{name}-metrics"]),
    }
    words = [_here(word, here) for word in command[1:] if ALLOW_SHARED_MEMORY not in word or install.knows(word)]
    models = options(command)["load-model"]
    return Component(
        name=name,
        command=(str(install.executable), *words),
        environment=install.environment,
        is_ready=lambda: serves(running.address(name), models=models),
        where=running.address(name),
        ready_seconds=START_SECONDS,
        stop_seconds=60,
    )


def _here(word: str, here: Mapping[str, str]) -> str:
    name = word.removeprefix("--").partition("=")[0]
    return f"--{name}={here[name]}" if name in here else word


def _gateway(running: Site, container: Object, redis: str) -> Component:
    here = {
        "MASKGATE_HOST": "127.0.0.1",
        "MASKGATE_GRPC_PORT": str(running.ports["grpc"]),
        "MASKGATE_HTTP_PORT": str(running.ports["http"]),
        "MASKGATE_TRITON_URL": running.address("decoder"),
        "MASKGATE_ENCODER_URL": running.address("encoder"),
        "MASKGATE_REDIS_URL": redis,
        "MASKGATE_SHARED_MEMORY_PREFIX": running.folder.name,
    }
    return Component(
        name="gateway",
        command=(sys.executable, "-m", "maskgate", *container["args"]),
        environment=environment(container) | here,
        is_ready=lambda: says_ready(running.address("http")),
        where=running.address("http"),
        ready_seconds=60,
        stop_seconds=60,
    )
