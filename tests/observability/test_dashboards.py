"""Every query of every panel, and every rule, by a real Prometheus on the real stack after some of everything."""

from __future__ import annotations

import json
import math
import time
from typing import TYPE_CHECKING, Any

import pytest

from maskgate.client import Client
from tests.e2e import photos
from tests.observability.prometheus import FILES, WINDOW, WINDOW_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.observability.prometheus import Prometheus
    from tests.observability.split_stack import SplitStack

pytestmark = pytest.mark.observability


def queries() -> Iterator[tuple[str, str, bool]]:
    """Every query, where it is, and whether it may rightly find nothing."""
    for path in sorted((FILES / "dashboards").glob("*.json")):
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            for target in panel["targets"]:
                where = f"{path.stem}: {panel['title']}: {target['legendFormat']}"
                yield where, target["expr"], panel["description"].startswith("Empty")


QUERIES = list(queries())


@pytest.fixture(scope="module")
def busy(watching: Prometheus, stack: SplitStack) -> Prometheus:
    """Some of everything has just been asked for."""
    with Client(str(stack.gateway.grpc)) as client:
        end = time.monotonic() + WINDOW_SECONDS
        while time.monotonic() < end:
            image = client.image(photos.fresh("cat"))
            answer = image.segment(points=[(160, 180)])
            answer.refine(points=[(200, 200)])
            image.segment(points=[(160, 180)])
    time.sleep(2)
    return watching


@pytest.mark.parametrize(("where", "query", "may_be_empty"), QUERIES, ids=[where for where, _, _ in QUERIES])
def test_panels_show_something(busy: Prometheus, where: str, query: str, *, may_be_empty: bool) -> None:
    """A query finds series with numbers; where it may find none, its panel says so, and why."""
    del where
    found = busy.query(query.replace("$release", "maskgate").replace("$__rate_interval", WINDOW))

    assert may_be_empty or any(is_number(series) for series in found)


def is_number(series: dict[str, Any]) -> bool:
    return math.isfinite(float(series["value"][1]))


def test_rules_are_evaluated(busy: Prometheus) -> None:
    """Prometheus has no quarrel with any rule, and while all is well no alert waits to fire."""
    rules = busy.rules()

    assert {"ok"} == {rule["health"] for rule in rules}
    assert [] == [rule["name"] for rule in rules if rule["type"] == "alerting" and rule["state"] == "firing"]
