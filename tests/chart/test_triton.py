"""The chart and Triton's other users agree: command lines are those of the stack, and of commands that there are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from maskforge.cli import main as maskforge
from maskgate.cli import main as maskgate
from maskgate.stack.triton import TritonSettings, triton_command
from tests.chart.cases import CASES, rendered
from tests.chart.helm import ROOT, template
from tests.chart.objects import of_kind, options, pod, pods

if TYPE_CHECKING:
    from tests.chart.helm import Object

STACK = TritonSettings(
    models=("lite0_encoder", "lite0_decoder", "lite0_decoder_multi"),
    model_repository=Path("/opt/maskgate/models"),
    backends=Path("/opt/maskgate/backends"),
    grpc_port=8001,
    metrics_port=8002,
    shared_memory_prefix="triton",
    gpu=False,
    must_allow_shared_memory=True,
    otlp_endpoint="http://collector:4318",
)


def test_triton_is_started_as_the_stack_starts_it() -> None:
    """In one pod Triton has the options that `maskgate up` gives it, but for who may ask for its metrics."""
    here = options(triton_command(Path("tritonserver"), STACK))
    values = {**CASES["all-in-one"], **CASES["traces"]}
    there = options(_triton(values, "maskgate-gateway"))

    assert ["127.0.0.1"] == here.pop("metrics-address")
    assert ["0.0.0.0"] == there.pop("metrics-address")  # noqa: S104 - Prometheus is elsewhere
    assert here == there


def _triton(values: Object, deployment: str) -> list[str]:
    command: list[str] = pod(template(values), deployment).container("triton")["command"]
    return command


def test_each_tier_loads_its_part() -> None:
    """The Triton beside the gateway decodes, the others encode, and together they serve what the stack's does."""
    beside = options(_triton({}, "maskgate-gateway"))["load-model"]
    apart = options(_triton({}, "maskgate-encoder-cpu"))["load-model"]

    assert ["lite0_decoder", "lite0_decoder_multi"] == beside
    assert sorted(STACK.models) == sorted(beside + apart)


@pytest.mark.parametrize("case", CASES)
def test_the_decoder_accompanies_the_gateway(case: str) -> None:
    """It starts before the gateway, after its plans are verified, and ends when the gateway has ended its calls."""
    gateway = pod(rendered(case), "maskgate-gateway")
    *before, triton = gateway.spec["initContainers"]

    assert ("triton", "Always") == (triton["name"], triton["restartPolicy"])
    assert all("restartPolicy" not in container for container in before)
    assert ["gateway"] == [container["name"] for container in gateway.spec["containers"]]


def test_an_encoder_differs_in_what_it_must() -> None:
    """Apart from what it loads and who reaches it an encoder is started as the decoder is."""
    beside = options(_triton({}, "maskgate-gateway"))
    apart = options(_triton({}, "maskgate-encoder-cpu"))

    assert {
        "load-model",
        "grpc-address",
        "allow-client-shm",
        "exit-timeout-secs",
        "grpc-max-connection-age",
        "grpc-max-connection-age-grace",
    } == {name for name in beside | apart if beside.get(name) != apart.get(name)}


# Commands


def test_the_cpu_folders_are_the_images() -> None:
    """The backend and the models that CPU pods name are put into the image by its Dockerfile."""
    command = options(_triton({}, "maskgate-gateway"))
    dockerfile = (ROOT / "deploy" / "triton" / "Dockerfile").read_text(encoding="utf-8")

    for path in (*command["backend-directory"], *command["model-repository"], "/opt/maskgate/tools"):
        assert path in dockerfile


def known_options(group: click.Command, name: str) -> set[str]:
    """The options of a command of a group."""
    assert isinstance(group, click.Group)
    command = group.get_command(click.Context(group), name)
    assert command is not None
    return {option for parameter in command.params for option in parameter.opts}


@pytest.mark.parametrize("case", ["production", "one-gpu", "verify-only"])
def test_plans_are_built_and_verified_by_options_that_there_are(case: str) -> None:
    """Jobs and init containers call `maskforge plan` with options that it has."""
    scripts = [
        container["args"][0]
        for it in pods(rendered(case))
        for container in it.containers
        if container["name"] in {"verify-plans", "build-plans"}
    ]

    assert scripts
    for script in scripts:
        (call,) = re.findall(r"python3 -m maskforge plan .*", script)
        assert set(re.findall(r" (--[a-z-]+)", call)) <= known_options(maskforge, "plan")


def test_the_test_calls_a_command_that_there_is() -> None:
    """The pod of `helm test` calls maskgate with a command and options that there are."""
    (test,) = of_kind(rendered("defaults"), "Pod")
    name, *words = test["spec"]["containers"][0]["args"]

    assert set(words[::2]) <= known_options(maskgate, name)
