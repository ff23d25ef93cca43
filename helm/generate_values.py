"""Writes the schema or the table of the chart's values: generate_values.py schema|table (make chart-values).

Both are made of helm/maskgate/values.yaml and its comments, and of the gateway's settings, so that a typo in either is
an error of `helm install` and not a value that nobody reads.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from maskgate.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

CHART: Final = Path(__file__).parent / "maskgate"
ENVIRONMENT: Final = CHART / "templates" / "_gateway.tpl"
SCHEMA_WORD: Final = "@schema "
SETTINGS_WORD: Final = "@settings"
SIGNALS_WORD: Final = "@signals"
INDENT: Final = 2

NAMES: Final = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
COUNT: Final = {"type": "integer", "minimum": 0}
DEFINITIONS: Final = {
    "gpu": {
        "description": "A GPU model. What is left out is as `encoder` says.",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "product": {
                "description": "The label nvidia.com/gpu.product of its nodes. Empty: whichever GPU there is.",
                "type": "string",
            },
            "replicas": {"description": "Pods while nothing scales them.", **COUNT},
            "minReplicas": {"description": "Fewest pods while they are scaled.", **COUNT},
            "maxReplicas": {"description": "Most pods while they are scaled.", **COUNT},
        },
    }
}

HEAD: Final = """# Values of the chart

Made of [values.yaml](values.yaml) by `make chart-values`; `make check` compares. `helm install` refuses any other key.
How they go together is in [docs/deploy.md](../../docs/deploy.md); files of values to begin with are in
[examples](examples).

| value | default | meaning |
|---|---|---|
"""


class UndocumentedError(Exception):
    """A value without a comment."""


@dataclass(frozen=True, slots=True)
class Value:
    """One key of values.yaml.

    Attributes:
        path: It, and those that it is below.
        default: Its value.
        meaning: Its comment.
        schema: What the comment adds to the schema.
        children: The keys below it.
    """

    path: tuple[str, ...]
    default: Any
    meaning: str
    schema: dict[str, Any]
    children: dict[str, Value] = field(default_factory=dict)


def main() -> None:
    """Write what was asked for to standard output."""
    values = read((CHART / "values.yaml").read_text(encoding="utf-8"))
    written = {"schema": lambda: json.dumps(schema_of_all(values), indent=2), "table": lambda: table(values)}
    sys.stdout.write(written[sys.argv[1]]() + "\n")


def read(text: str) -> dict[str, Value]:
    """Read the keys of a file of values, in their order. Raises UndocumentedError."""
    top: dict[str, Value] = {}
    for path, comment in _commented(text):
        default = yaml.safe_load(text)
        for key in path:
            default = default[key]
        siblings = top
        for key in path[:-1]:
            siblings = siblings[key].children
        siblings[path[-1]] = _value(path, default, comment)
    return top


def _commented(text: str) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Every key with the lines of its comment: those directly above it."""
    path: list[str] = []
    comment: list[str] = []
    for line in text.splitlines():
        if found := re.match(r"( *)([A-Za-z]\w*):", line):
            path = [*path[: len(found[1]) // INDENT], found[2]]
            yield tuple(path), comment
        comment = [*comment, line.strip().removeprefix("#").removeprefix(" ")] if line.lstrip().startswith("#") else []


def _value(path: tuple[str, ...], default: Any, comment: list[str]) -> Value:  # noqa: ANN401 - whatever YAML holds
    words = [line for line in comment if not line.startswith("@")]
    if not words:
        raise UndocumentedError(f"{'.'.join(path)} has no comment")
    added: dict[str, Any] = {}
    for line in comment:
        if line.startswith(SCHEMA_WORD):
            added |= json.loads(line.removeprefix(SCHEMA_WORD))
        elif line == SETTINGS_WORD:
            added |= {"properties": dict(_settings())}
        elif line == SIGNALS_WORD:
            added |= {"properties": dict(_signals())}
    return Value(path, default, " ".join(word.strip() for word in words), added)


def _settings() -> Iterator[tuple[str, dict[str, Any]]]:
    """The gateway's settings, but for those that follow from other values and cannot be given beside them."""
    taken = {name.lower() for name in re.findall(r"name: MASKGATE_(\w+)", ENVIRONMENT.read_text(encoding="utf-8"))}
    for name, schema in sorted(Settings.model_json_schema()["properties"].items()):
        if name not in taken:
            yield name, {key: value for key, value in schema.items() if key not in {"default", "title"}}


def _signals() -> Iterator[tuple[str, dict[str, Any]]]:
    tiers = yaml.safe_load((CHART / "files" / "scaling.yaml").read_text(encoding="utf-8"))["tiers"]
    for tier in tiers.values():
        for signal in tier["signals"]:
            described = f"What one replica takes of it; otherwise {signal['target']}."
            yield signal["name"], {"description": described, "type": "number", "exclusiveMinimum": 0}


def schema_of_all(values: dict[str, Value]) -> dict[str, Any]:
    """Write the schema of a file of values."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": DEFINITIONS, **_object(values)}


def _object(values: dict[str, Value]) -> dict[str, Any]:
    properties = {key: _schema(value) for key, value in values.items()}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _schema(value: Value) -> dict[str, Any]:
    said = {"description": value.meaning, "type": NAMES[type(value.default)]}
    if isinstance(value.default, int) and not isinstance(value.default, bool) and "minimum" in value.schema:
        said["type"] = "integer" if isinstance(value.schema["minimum"], int) else "number"
    if value.children:
        return said | _object(value.children)
    if said["type"] == "object":
        said["additionalProperties"] = False
    return said | value.schema


def table(values: dict[str, Value]) -> str:
    """Write the page that people read."""
    return HEAD + "\n".join(_rows(values))


def _rows(values: dict[str, Value]) -> Iterator[str]:
    for value in values.values():
        default = "" if value.children else f"`{json.dumps(value.default)}`"
        yield f"| `{'.'.join(value.path)}` | {default} | {value.meaning.replace('|', chr(92) + '|')} |"
        yield from _rows(value.children)


if __name__ == "__main__":
    main()
