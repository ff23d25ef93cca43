"""What operators are given: rules, dashboards, what the tiers scale by, and a page for each alert."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import promql_parser
import pytest
import yaml
from prometheus_client import CollectorRegistry, ProcessCollector

from maskgate.telemetry import Metrics
from tests.observability.autoscaler import read_tiers

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
FILES = ROOT / "helm/maskgate/files"
RUNBOOKS = ROOT / "docs/runbooks"
GROUPS = yaml.safe_load((FILES / "rules.yaml").read_text(encoding="utf-8"))["groups"]
RULES = [rule for group in GROUPS for rule in group["rules"]]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
TESTS = yaml.safe_load((ROOT / "tests/observability/rules_test.yaml").read_text(encoding="utf-8"))["tests"]
TRITON = {
    "nv_gpu_memory_total_bytes",
    "nv_gpu_memory_used_bytes",
    "nv_gpu_utilization",
    "nv_inference_compute_infer_duration_us",
    "nv_inference_count",
    "nv_inference_exec_count",
    "nv_inference_queue_duration_us",
    "nv_inference_request_success",
}
"""Of what Triton exposes (its docs/user_guide/metrics.md), what is asked for."""


def exposed() -> set[str]:
    """The name of every series that the gateway exposes."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    Metrics(registry)
    names = set()
    for family in registry.collect():
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}.get(family.type, [""])
        names |= {f"{family.name}{suffix}" for suffix in suffixes}
    return names


def dashboards() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted((FILES / "dashboards").glob("*.json")):
        yield path.stem, json.loads(path.read_text(encoding="utf-8"))


def expressions() -> Iterator[tuple[str, str]]:
    """Every query of every file, and where it is from."""
    yield from ((rule.get("record") or rule["alert"], rule["expr"]) for rule in RULES)
    for tier in read_tiers().values():
        yield from ((signal.name, signal.query) for signal in tier.signals)
    for name, dashboard in dashboards():
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                query = target["expr"].replace("$__rate_interval", "1m").replace("$release", "maskgate")
                yield f"{name}: {panel['title']}", query


def selectors(expression: str) -> list[tuple[str, str]]:
    """Names of metrics and what they are narrowed down to."""
    return re.findall(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\{([^}]*)\}", expression)


EXPRESSIONS = list(expressions())


@pytest.mark.parametrize(("where", "expression"), EXPRESSIONS, ids=[where for where, _ in EXPRESSIONS])
def test_queries_ask_for_what_is_there(where: str, expression: str) -> None:
    """A query is PromQL, asks for one installation, and for metrics that gateway, Triton or a rule brings about."""
    del where
    promql_parser.parse(expression)
    known = exposed() | TRITON | {rule["record"] for rule in RULES if "record" in rule}

    assert selectors(expression)
    assert set() == {name for name, _ in selectors(expression)} - known
    assert all('release="maskgate"' in matchers for _, matchers in selectors(expression))
    assert [] == re.findall(r"\b(?:maskgate|nv)_[a-z_]+(?![a-z_{:])", re.sub(r"release:\w+:\w+", "", expression))


def test_dashboards_are_what_is_generated() -> None:
    """No dashboard was edited by hand: make docs writes them."""
    generated = runpy.run_path(str(ROOT / "helm/generate_dashboards.py"))
    written = {path.stem: path.read_text(encoding="utf-8") for path in (FILES / "dashboards").glob("*.json")}

    assert {name: generated["text"](name) for name in generated["DASHBOARDS"]} == written


def test_dashboards_choose_their_prometheus_and_release() -> None:
    """Each works in any Grafana: nothing in it names a data source or an installation."""
    for _, dashboard in dashboards():
        assert ["datasource", "release"] == [variable["name"] for variable in dashboard["templating"]["list"]]
        assert {"${datasource}"} == {panel["datasource"]["uid"] for panel in dashboard["panels"]}
        assert len(dashboard["panels"]) == len({panel["title"] for panel in dashboard["panels"]})


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_says_what_to_do(alert: str) -> None:
    """An alert has a sentence, a severity that somebody routes, and a page that names it and says what to do."""
    rule = ALERTS[alert]
    page = (ROOT / rule["annotations"]["runbook_url"]).read_text(encoding="utf-8")

    assert {"summary", "description", "runbook_url"} == rule["annotations"].keys()
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert f"`{alert}`" in page
    assert ["What it means", "What to look at", "What to do"] == re.findall(r"^## (.+)$", page, re.MULTILINE)


def test_each_runbook_is_an_alert_s() -> None:
    """No page is left behind by an alert that has gone."""
    pages = {str(path.relative_to(ROOT)) for path in RUNBOOKS.glob("*.md")} - {"docs/runbooks/README.md"}

    assert {rule["annotations"]["runbook_url"] for rule in ALERTS.values()} == pages


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_is_tested_both_ways(alert: str) -> None:
    """Promtool has it fire, and has it stay silent."""
    cases = [case for test in TESTS for case in test["alert_rule_test"] if case["alertname"] == alert]

    assert {True, False} == {bool(case["exp_alerts"]) for case in cases}


def test_signals_can_be_told_apart() -> None:
    """Each has a name of its own, a target, and asks for the series that it is registered by."""
    signals = [signal for tier in read_tiers().values() for signal in tier.signals]

    assert len(signals) == len({signal.name for signal in signals})
    assert all(signal.target > 0 and signal.series in signal.query for signal in signals)
