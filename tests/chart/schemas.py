"""Schemas of Kubernetes' own kinds and of those that others add, which refuse fields that do not exist."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import kubernetes_validate
from cloudcoil.models.keda.v1alpha1 import ScaledObject
from cloudcoil.models.prometheus_operator.v1 import PrometheusRule, ServiceMonitor
from jsonschema import Draft202012Validator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.chart.helm import Object

ADDED = {"ScaledObject": ScaledObject, "PrometheusRule": PrometheusRule, "ServiceMonitor": ServiceMonitor}
NAME = {"type": "string", "pattern": "^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"}


def closed(properties: Mapping[str, Any], *required: str) -> dict[str, Any]:
    """The schema of an object with these properties and no others."""
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def listed(item: object) -> dict[str, Any]:
    """The schema of a list that is not empty."""
    return {"type": "array", "items": item, "minItems": 1}


# Nobody ships schemas of the Gateway API for Python: the part of gateway.networking.k8s.io/v1 that we use, by hand.
ROUTE = closed(
    {
        "apiVersion": {"const": "gateway.networking.k8s.io/v1"},
        "kind": {"enum": ["HTTPRoute", "GRPCRoute"]},
        "metadata": {"type": "object", "required": ["name"]},
        "spec": closed(
            {
                "parentRefs": listed(closed({"name": NAME, "namespace": NAME}, "name")),
                "hostnames": listed(NAME),
                "rules": listed(
                    closed({"backendRefs": listed(closed({"name": NAME, "port": {"type": "integer"}}, "name", "port"))})
                ),
            },
            "parentRefs",
            "rules",
        ),
    },
    "apiVersion",
    "kind",
    "metadata",
    "spec",
)


def validate(document: Object, kubernetes: str) -> None:
    """Raise the validator's error unless an object is one of its kind."""
    kind = document["kind"]
    if kind in ADDED:
        _added(kind).validate(document)
    elif document["apiVersion"].startswith("gateway.networking.k8s.io/"):
        Draft202012Validator(ROUTE).validate(document)
    else:
        kubernetes_validate.validate(document, kubernetes, strict=True)


@cache
def _added(kind: str) -> Draft202012Validator:
    schema = ADDED[kind].model_json_schema(by_alias=True)
    _close(schema)
    if kind == "ScaledObject":  # the models are of KEDA 2.16; 2.17 says what becomes of replicas that there are
        schema["$defs"]["Fallback"]["properties"]["behavior"] = {"type": "string"}
    return Draft202012Validator(schema)


def _close(schema: object) -> None:
    """Refuse what is not named: the models take any field, as pydantic does."""
    if isinstance(schema, dict):
        if schema.get("type") == "object" and "properties" in schema:
            schema.setdefault("additionalProperties", False)
        for part in schema.values():
            _close(part)
    elif isinstance(schema, list):
        for part in schema:
            _close(part)
