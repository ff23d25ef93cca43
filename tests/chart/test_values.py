"""Values: what may be given, and that it is read."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.chart.cases import CASES, EXAMPLES, GPU, KEYS, OWN_REDIS
from tests.chart.helm import CHART, ROOT, refusal, render, run, template

if TYPE_CHECKING:
    from collections.abc import Iterator

VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))

FULL = {"autoscaling": {"mode": "keda"}, "monitoring": {"mode": "on"}, **KEYS, **GPU, "gateway": {"settings": {}}}
CONTEXTS: tuple[dict[str, Any], ...] = (
    FULL,
    {**OWN_REDIS, **KEYS, "tls": {"existingSecret": "certificate"}},
    {**KEYS, "ingress": {"restHost": "a.example", "grpcHost": "b.example", "tlsSecret": "certificate"}},
    {**KEYS, "service": {"type": "LoadBalancer"}},
    {**KEYS, "gatewayApi": {"gateway": "edge", "restHost": "a.example"}},
    {"autoscaling": {"mode": "keda"}, "encoder": {"minReplicas": 0}},
)
"""Some value counts only beside others."""
CHANGED: dict[str, Any] = {
    "models.names": ["lite0", "vit_b"],
    "gateway.settings": {"threads": 7},
    "networkPolicy.clients": [{"podSelector": {"matchLabels": {"app": "studio"}}}],
    "images.pullSecrets": ["registry"],
    "encoder.surge": 0,
    "encoder.startSeconds": 300,
    "gpus": {"a10": {}},
    "autoscaling.targets": {"in-flight": 16},
    "autoscaling.prometheus": "http://elsewhere:9090",
    "tracing.endpoint": "http://elsewhere:4318",
}


def leaves(values: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[str]:
    for key, value in values.items():
        path = (*above, key)
        if isinstance(value, dict) and value and key != "grpcAnnotations":
            yield from leaves(value, path)
        else:
            yield ".".join(path)


def of(tree: dict[str, Any], path: str) -> Any:  # noqa: ANN401 - whatever YAML holds
    for key in path.split("."):
        tree = tree.get(key, {})
    return tree


def another(path: str) -> Any:  # noqa: ANN401
    """A value other than the default, which the schema takes."""
    if path in CHANGED:
        return CHANGED[path]
    schema = of(SCHEMA, ".".join(f"properties.{key}" for key in path.split(".")))
    default = of(VALUES, path)
    if "enum" in schema:
        return next(it for it in schema["enum"] if it != default)
    if "sha256" in schema.get("pattern", ""):
        return f"sha256:{'1' * 64}"
    kinds: dict[type, Any] = {
        bool: lambda: not default,
        list: lambda: [{"key": "pool", "operator": "Exists"}],
        dict: lambda: {"a.example/b": "c"},
        str: lambda: "changed",
    }
    return kinds.get(type(default), lambda: default + 1)()


def with_value(values: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """A copy of the values with one changed."""
    key, _, below = path.partition(".")
    return {**values, key: with_value(values.get(key, {}), below, value) if below else value}


def outcome(values: dict[str, Any]) -> object:
    """What comes of values: objects, or a sentence of the chart's own."""
    done = render(values)
    assert "the schema" not in done.stderr, done.stderr
    return done.stdout or done.stderr


def generator() -> Any:  # noqa: ANN401 - a script, imported by its path
    spec = importlib.util.spec_from_file_location("generate_values", ROOT / "helm" / "generate_values.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_schema_and_the_table_are_what_the_comments_say() -> None:
    """values.schema.json and VALUES.md are as `make chart-values` writes them."""
    made = generator()
    values = made.read((CHART / "values.yaml").read_text(encoding="utf-8"))

    assert made.schema_of_all(values) == json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    assert made.table(values) + "\n" == (CHART / "VALUES.md").read_text(encoding="utf-8")


def test_a_value_without_a_comment_is_not_written() -> None:
    """The generator names what nobody has explained."""
    made = generator()

    with pytest.raises(made.UndocumentedError, match=r"a\.c"):
        made.read("# Explained.\na:\n  # Explained.\n  b: 1\n  c: 2\n")


@pytest.mark.parametrize("path", list(leaves(VALUES)))
def test_every_value_is_read(path: str) -> None:
    """Whatever value is changed, somewhere something changes by it."""
    assert any(outcome(context) != outcome(with_value(context, path, another(path))) for context in CONTEXTS)


@pytest.mark.parametrize("example", EXAMPLES)
def test_lint(example: str) -> None:
    """Helm finds nothing to say against the chart, with the defaults nor with an example."""
    done = run("helm", "lint", "--strict", str(CHART), "--values", str(CHART / "examples" / f"{example}.yaml"))

    assert not done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"replicas": 3}, "additional properties 'replicas'"),
        ({"gateway": {"replica": 3}}, "additional properties 'replica'"),
        ({"gateway": {"settings": {"decode_concurency": 1}}}, "additional properties 'decode_concurency'"),
        ({"gateway": {"settings": {"host": "::"}}}, "additional properties 'host'"),
        ({"gateway": {"settings": {"retry_ratio": 2}}}, "maximum: got 2, want 1"),
        ({"gateway": {"replicas": "two"}}, "got string, want integer"),
        ({"gpus": {"l4": {"label": "x"}}}, "additional properties 'label'"),
        ({"gpus": {"L4": {}}}, "invalid propertyName 'L4'"),
        ({"autoscaling": {"targets": {"inflight": 1}}}, "additional properties 'inflight'"),
        ({"topology": "three"}, "must be one of 'split', 'all-in-one'"),
        ({"models": {"names": []}}, "minItems"),
        ({"images": {"gateway": {"digest": "latest"}}}, "does not match pattern"),
    ],
)
def test_a_typo_is_an_error(values: dict[str, Any], said: str) -> None:
    """What no template would read, or makes no sense, is refused by its path."""
    assert said in refusal(values)


def test_old_clusters_are_told() -> None:
    """A Kubernetes that does not know sidecars is refused at once, rather than left with half of the pods."""
    done = run("helm", "template", str(CHART), "--kube-version", "1.29.9")

    assert "chart requires kubeVersion: >=1.30" in done.stderr


@pytest.mark.parametrize("case", CASES)
def test_large_numbers_stay_numbers(case: str) -> None:
    """No number is written with an exponent, which the gateway could not read."""
    assert not re.search(r"\d[eE]\+\d", json.dumps(template(CASES[case])))
