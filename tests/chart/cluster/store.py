"""The objects of the double: kept, checked against their schemas, and told of to who watches."""

from __future__ import annotations

import copy
import itertools
import threading
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.chart.cluster.kinds import FIXED, Kind, status_of
from tests.chart.schemas import validate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.chart.helm import Object

KUBERNETES = "1.37"
OF_THE_SERVER = ("managedFields", "uid", "resourceVersion", "creationTimestamp", "generation")


class RefusedError(Exception):
    """What Kubernetes answers when it does not do what was asked."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code} | {
            "message": message
        }


@dataclass(frozen=True, slots=True)
class Key:
    """Where an object is."""

    kind: Kind
    namespace: str | None
    name: str


@dataclass(frozen=True, slots=True)
class Event:
    """What has happened to an object."""

    type: str
    key: Key
    document: Object


class Store:
    """All objects, and all that has happened to them."""

    def __init__(self) -> None:
        self._objects: dict[Key, Object] = {}
        self._events: list[Event] = []
        self._changed = threading.Condition()
        self._versions = itertools.count(2)
        self.version = 1

    def get(self, key: Key) -> Object:
        """An object; RefusedError if there is none. A namespace is there when somebody asks for it."""
        with self._changed:
            if key.kind.name == "Namespace":
                return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": key.name}}
            if key not in self._objects:
                raise RefusedError(404, "NotFound", f'{key.kind.plural} "{key.name}" not found')
            return self._objects[key]

    def all(self, kind: Kind, namespace: str | None) -> list[Object]:
        """The objects of a kind, in one namespace or in all."""
        with self._changed:
            return [
                document
                for key, document in self._objects.items()
                if key.kind == kind and namespace in (None, key.namespace)
            ]

    def put(self, key: Key, document: Object, *, dry: bool = False) -> Object:
        """Make or replace an object. Raises RefusedError."""
        with self._changed:
            before = self._objects.get(key)
            written = self._completed(key, document, before)
            _check(written, before)
            if not dry:
                self._objects[key] = written
                self._tell(Event("MODIFIED" if before else "ADDED", key, written))
            return written

    def delete(self, key: Key) -> None:
        """Remove an object. Raises RefusedError."""
        with self._changed:
            document = self.get(key)
            del self._objects[key]
            self._tell(Event("DELETED", key, document))

    def events(self, kind: Kind, *, seconds: float) -> Iterator[Event | None]:
        """What happens to objects of a kind from now on; None where nothing has for some seconds."""
        seen = len(self._events)
        while True:
            with self._changed:
                if len(self._events) == seen:
                    self._changed.wait(seconds)
                new = self._events[seen:]
            seen += len(new)
            yield from (event for event in new if event.key.kind == kind)
            if not new:
                yield None

    def _tell(self, event: Event) -> None:
        self._events.append(event)
        self._changed.notify_all()

    def _completed(self, key: Key, document: Object, before: Object | None) -> Object:
        """An object with what the server adds."""
        written = copy.deepcopy(document) | {"apiVersion": key.kind.group_version, "kind": key.kind.name}
        known = before["metadata"] if before else {"uid": str(uuid.uuid4()), "generation": 0}
        self.version = next(self._versions)
        written["metadata"] |= {
            "name": key.name,
            **({"namespace": key.namespace} if key.namespace else {}),
            "uid": known["uid"],
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "resourceVersion": str(self.version),
            "generation": known["generation"] + 1,
        }
        if status := status_of(written):
            written["status"] = status
        return written


def _check(document: Object, before: Object | None) -> None:
    kind, name = document["kind"], document["metadata"]["name"]
    bare = {key: value for key, value in document.items() if key != "status"}
    bare["metadata"] = {key: value for key, value in bare["metadata"].items() if key not in OF_THE_SERVER}
    try:
        validate(bare, KUBERNETES)
    except Exception as error:
        said = str(error).splitlines()[0]
        raise RefusedError(422, "Invalid", f'{kind} "{name}" is invalid: {said}') from error
    for field in FIXED.get(kind, ()):
        if before and before["spec"].get(field) != document["spec"].get(field):
            raise RefusedError(422, "Invalid", f'{kind} "{name}" is invalid: spec.{field}: field is immutable')
