"""What is in rendered objects: pods, their containers, and what those are told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.chart.helm import Object

RUNS_PODS = ("Deployment", "Job")


@dataclass(frozen=True)
class Pod:
    """The pods of one object.

    Attributes:
        of: Its kind and name.
        labels: Of each pod.
        spec: Of each pod.
    """

    of: str
    labels: dict[str, str]
    spec: dict[str, Any]

    @property
    def containers(self) -> list[dict[str, Any]]:
        """All of them: those that begin, those that accompany, and those that serve."""
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    @property
    def ports(self) -> dict[str, int]:
        """The ports by their names."""
        return {port["name"]: port["containerPort"] for it in self.containers for port in it.get("ports", [])}

    def container(self, name: str) -> dict[str, Any]:
        """The container of a name."""
        return next(it for it in self.containers if it["name"] == name)


def of_kind(documents: Iterable[Object], *kinds: str) -> list[Object]:
    """The objects of some kinds."""
    return [document for document in documents if document["kind"] in kinds]


def named(documents: Iterable[Object], kind: str, name: str) -> Object:
    """The object of a kind and name."""
    return next(it for it in of_kind(documents, kind) if it["metadata"]["name"] == name)


def pods(documents: Iterable[Object]) -> Iterator[Pod]:
    """The pods of all objects."""
    for document in documents:
        kind, metadata, spec = document["kind"], document["metadata"], document.get("spec", {})
        if kind in RUNS_PODS:
            template = spec["template"]
            yield Pod(f"{kind}/{metadata['name']}", template["metadata"]["labels"], template["spec"])
        elif kind == "Pod":
            yield Pod(f"Pod/{metadata['name']}", metadata["labels"], spec)


def pod(documents: Iterable[Object], name: str) -> Pod:
    """The pods of the Deployment of a name."""
    return next(it for it in pods(documents) if it.of == f"Deployment/{name}")


def selected(documents: Iterable[Object], selector: dict[str, str]) -> list[Pod]:
    """The pods that a selector selects."""
    return [it for it in pods(documents) if selector.items() <= it.labels.items()]


def environment(container: dict[str, Any], *, secret: str = "redis://secret:6379/0") -> dict[str, str]:  # noqa: S107 - none
    """What a container is told; what comes out of a Secret is as given."""
    return {it["name"]: it.get("value", secret) for it in container.get("env", [])}


def options(command: Iterable[str]) -> dict[str, list[str]]:
    """The options of a command line, `--name=value`, by name; those that are repeated have several values."""
    found: dict[str, list[str]] = {}
    for word in command:
        if word.startswith("--"):
            name, _, value = word.removeprefix("--").partition("=")
            found.setdefault(name, []).append(value)
    return found
