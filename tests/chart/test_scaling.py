"""Scaling, rules and the exporter agree: expressions are about metrics that there are, and about this release."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from maskgate.telemetry import Metrics
from tests.chart.cases import everything, rendered
from tests.chart.helm import NAMESPACE, RELEASE, template
from tests.chart.objects import named, of_kind
from tests.observability.autoscaler import read_tiers

if TYPE_CHECKING:
    from tests.chart.helm import Object

OURS, TRITONS = r"(?<![:\w])maskgate_\w+", r"(?<![:\w])nv_\w+"
"""Metrics that are scraped; those that rules record have colons."""


def exposed() -> set[str]:
    """The gateway's series."""
    registry = CollectorRegistry()
    Metrics(registry)
    return {sample.name for family in registry.collect() for sample in family.samples} | {
        f"{name}{suffix}"
        for family in registry.collect()
        for name in (family.name,)
        for suffix in ({"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",)))
    }


@pytest.mark.parametrize("kind", ["ScaledObject", "PrometheusRule"])
def test_metrics_are_exposed(kind: str) -> None:
    """Each metric of ours that an expression names is one that the gateway exposes."""
    named_here = {
        name for it in of_kind(everything(), kind) for name in re.findall(rf"{OURS}(?![:\w])", _expressions(it))
    }

    assert named_here
    assert named_here <= exposed()


@pytest.mark.parametrize("kind", ["ScaledObject", "PrometheusRule"])
def test_expressions_are_about_this_release(kind: str) -> None:
    """Whatever is selected is of this release and namespace: there may be others that Prometheus scrapes."""
    for it in of_kind(everything(), kind):
        selectors = re.findall(rf"(?:{OURS}|{TRITONS})(?![:\w])(\{{[^}}]*\}})?", _expressions(it))
        assert all(f'release="{RELEASE}",namespace="{NAMESPACE}"' in selector for selector in selectors)


def _expressions(document: Object) -> str:
    spec = document["spec"]
    if document["kind"] == "ScaledObject":
        return "\n".join(trigger["metadata"]["query"] for trigger in spec["triggers"])
    return "\n".join(rule["expr"] for group in spec["groups"] for rule in group["rules"])


@pytest.mark.parametrize("case", ["keda", "all-in-one-keda"])
def test_what_is_rendered_is_what_was_measured(case: str) -> None:
    """Each query and target is one that tests/observability asks a real Prometheus about, and none is left out."""
    scope = f'release="{RELEASE}",namespace="{NAMESPACE}"'
    triggers = [trigger for it in of_kind(rendered(case), "ScaledObject") for trigger in it["spec"]["triggers"]]
    signals = [signal for tier in read_tiers().values() for signal in tier.signals]

    assert sorted((signal.name, signal.query, signal.target) for signal in signals) == sorted(
        (it["name"], it["metadata"]["query"].replace(scope, 'release="maskgate"'), float(it["metadata"]["threshold"]))
        for it in triggers
    )


@pytest.mark.parametrize(("case", "encoders"), [("keda", 1), ("production", 2)])
def test_gpu_models_share_the_load(case: str, encoders: int) -> None:
    """Of several GPU models each is asked for its part: the target of one replica is as many times as high."""
    target = _threshold(everything(), "maskgate-encoder-cpu")
    scaled = [it for it in of_kind(rendered(case), "ScaledObject") if "-encoder-" in it["metadata"]["name"]]

    assert [encoders * target] * encoders == [_threshold([it], it["metadata"]["name"]) for it in scaled]


def _threshold(documents: list[Object], name: str) -> float:
    return float(named(documents, "ScaledObject", name)["spec"]["triggers"][0]["metadata"]["threshold"])


def test_both_ways_of_scaling_ask_for_the_same() -> None:
    """A HorizontalPodAutoscaler has KEDA's signals, targets and bounds, and the adapter's rules make its metrics."""
    keda, hpa = everything(), rendered("hpa")
    rules = named(hpa, "ConfigMap", "maskgate-adapter-rules")["data"]["external.yaml"]
    for scaled in of_kind(keda, "ScaledObject"):
        other = _hpa(hpa, scaled)["spec"]
        assert _targets(scaled) == [pytest.approx(target) for target in _targets(_hpa(hpa, scaled))]
        for metric in other["metrics"]:
            assert f"as: {metric['external']['metric']['name']} }}" in rules
        assert (scaled["spec"]["minReplicaCount"], scaled["spec"]["maxReplicaCount"]) == (
            other["minReplicas"],
            other["maxReplicas"],
        )


def _hpa(documents: list[Object], scaled: Object) -> Object:
    return named(documents, "HorizontalPodAutoscaler", scaled["metadata"]["name"])


@pytest.mark.parametrize("mode", ["keda", "hpa"])
def test_targets_may_be_ours(mode: str) -> None:
    """What one replica takes of a signal is as the values say, and that of the others as the file says."""
    documents = template({"autoscaling": {"mode": mode, "targets": {"in-flight": 0.5}}})
    (scaled,) = [
        it
        for it in of_kind(documents, "ScaledObject", "HorizontalPodAutoscaler")
        if it["metadata"]["name"] == "maskgate-gateway"
    ]

    first, second = _targets(scaled)
    assert 0.5 == first
    assert 0.5 != second


def _targets(scaled: Object) -> list[float]:
    if scaled["kind"] == "ScaledObject":
        return [float(trigger["metadata"]["threshold"]) for trigger in scaled["spec"]["triggers"]]
    quantities = [metric["external"]["target"]["averageValue"] for metric in scaled["spec"]["metrics"]]
    return [int(quantity.removesuffix("m")) / 1000 for quantity in quantities]
