"""Every object is one of its kind, for the oldest and the newest Kubernetes, and one between."""

from __future__ import annotations

import copy
from collections import Counter

import pytest
import yaml

from tests.chart.cases import CASES, everything, rendered
from tests.chart.helm import CHART, KEDA, OPERATOR, run
from tests.chart.schemas import validate


@pytest.mark.parametrize(
    ("case", "kubernetes"),
    [*((case, version) for case in CASES for version in ("1.30", "1.37")), ("production", "1.33")],
)
def test_objects_are_valid(case: str, kubernetes: str) -> None:
    """Each has the fields of its kind, and no others."""
    for document in rendered(case, kubernetes=kubernetes):
        validate(document, kubernetes)


def test_what_others_add_is_valid() -> None:
    """In a cluster that has KEDA and the Prometheus operator their objects come by themselves."""
    documents = everything()
    for document in documents:
        validate(document, "1.37")

    assert {"ScaledObject", "ServiceMonitor", "PrometheusRule"} <= {document["kind"] for document in documents}


@pytest.mark.parametrize("kind", ["Deployment", "ScaledObject", "ServiceMonitor", "PrometheusRule"])
def test_a_field_that_does_not_exist_is_noticed(kind: str) -> None:
    """The schemas are strict: a misspelt field is an error, in those that others add, too."""
    document = copy.deepcopy(next(it for it in everything() if it["kind"] == kind))
    document["spec"]["replicass"] = 1

    with pytest.raises(Exception, match="replicass"):
        validate(document, "1.37")


@pytest.mark.parametrize("case", CASES)
def test_names_are_given_once(case: str) -> None:
    """No two objects of a kind have one name."""
    names = Counter((document["kind"], document["metadata"]["name"]) for document in rendered(case))

    assert [] == [name for name, count in names.items() if count > 1]


@pytest.mark.parametrize("case", CASES)
def test_everything_is_in_the_namespace(case: str) -> None:
    """Nothing is installed elsewhere, nor for the whole cluster."""
    assert {"vision"} == {document["metadata"]["namespace"] for document in rendered(case)}


def test_names_are_short_enough() -> None:
    """With the longest names of a release and of a GPU model every name is still one that a label can hold."""
    done = run(
        *("helm", "template", "r" * 53, str(CHART), "--api-versions", KEDA, "--api-versions", OPERATOR),
        *("--set", f"gpus.{'g' * 20}.product=x"),
    )
    names = [it["metadata"]["name"] for it in yaml.safe_load_all(done.stdout)]

    assert names
    assert 63 >= max(map(len, names))
