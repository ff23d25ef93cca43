"""docs/deploy.md speaks of values, objects and containers that there are."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from maskgate.settings import Settings
from tests.chart.cases import rendered
from tests.chart.helm import CHART, ROOT
from tests.chart.objects import pods

PAGE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", sorted(set(re.findall(rf"\b((?:{'|'.join(VALUES)})\.[a-zA-Z]\w*)(?=[`=:,\s])", PAGE))))
def test_values_are_there(path: str) -> None:
    """Each value that the page names is one of the chart's."""
    group, _, key = path.partition(".")

    assert key in VALUES[group]


@pytest.mark.parametrize("kind", ["deployment", "job", "service"])
def test_objects_are_there(kind: str) -> None:
    """Each object that a command of the page names is one of the example that it goes through."""
    there = {it["metadata"]["name"] for it in rendered("production") if it["kind"].lower() == kind}
    named = set(re.findall(rf"\b{kind}/([a-z0-9-]+)", PAGE))

    assert named
    assert named <= there


def test_containers_are_there() -> None:
    """Each container whose log the page asks for is one of a pod's."""
    there = {container["name"] for it in pods(rendered("production")) for container in it.containers}
    named = set(re.findall(r"logs [^`\n]*-c ([a-z-]+)", PAGE))

    assert named
    assert named <= there


def test_labels_are_there() -> None:
    """What the page selects by is a component's label."""
    there = {it["metadata"]["labels"]["app.kubernetes.io/component"] for it in rendered("production")}

    assert set(re.findall(r"component=(\w+)", PAGE)) <= there


def test_the_arithmetic_is_right() -> None:
    """The grace periods that the page works out are those that are rendered with the defaults."""
    told = [int(seconds) for seconds in re.findall(r"(?:grace period of |: )(\d+) s\.", PAGE)]
    served = [it for it in pods(rendered("defaults")) if it.of.startswith("Deployment/") and "valkey" not in it.of]

    assert len(told) == len(served)
    assert told == [it.spec["terminationGracePeriodSeconds"] for it in served]


def test_settings_follow_from_values() -> None:
    """The page names settings of the gateway by no other names than theirs."""
    assert {name.lower() for name in re.findall(r"MASKGATE_([A-Z_]+)", PAGE)} <= {*Settings.model_fields, "api_key"}
