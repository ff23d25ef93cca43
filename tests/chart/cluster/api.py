"""A double of the Kubernetes API, for the real helm and kubectl: in memory, on the loopback.

It discovers, stores, validates and watches. It admits everything, knows no rights, sets no defaults and runs no
controllers: what it says of a chart is that its objects are taken, replaced and removed, not that they work.
"""

from __future__ import annotations

import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

import yaml

from tests.chart.cluster.kinds import BUILT_IN, Kind
from tests.chart.cluster.protobuf import MAGIC, read_object
from tests.chart.cluster.store import KUBERNETES, Key, RefusedError, Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.chart.helm import Object

PATH: Final = re.compile(
    r"/(?:api|apis)/(?P<gv>v1|[^/]+/[^/]+)(?:/namespaces/(?P<ns>[^/]+))?(?:/(?P<plural>[a-z]+)(?:/(?P<name>[^/]+))?)?"
)
NAMESPACE: Final = re.compile(r"/api/v1/(?P<plural>namespaces)/(?P<name>[^/]+)")
QUIET_SECONDS: Final = 30


@dataclass(frozen=True)
class Cluster:
    """A running double: what it holds, and the file by which clients find it."""

    store: Store
    kinds: tuple[Kind, ...]
    kubeconfig: str

    def names(self, kind: str) -> set[str]:
        """The names of all objects of a kind."""
        found = next(it for it in self.kinds if it.name == kind)
        return {document["metadata"]["name"] for document in self.store.all(found, None)}

    def get(self, kind: str, name: str, namespace: str) -> Object:
        """An object."""
        return self.store.get(Key(next(it for it in self.kinds if it.name == kind), namespace, name))


@contextmanager
def cluster(folder: Path, *added: Kind) -> Iterator[Cluster]:
    """Run a double that knows Kubernetes' own kinds and those that are added."""
    store, kinds = Store(), (*BUILT_IN, *added)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, store, kinds))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(json.dumps(_kubeconfig(server.server_address[1])), encoding="utf-8")
    try:
        yield Cluster(store, kinds, str(kubeconfig))
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _kubeconfig(port: int) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "double", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "contexts": [{"name": "double", "context": {"cluster": "double", "user": "nobody"}}],
        "users": [{"name": "nobody", "user": {}}],
        "current-context": "double",
    }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, store: Store, kinds: tuple[Kind, ...], *arguments: Any) -> None:  # noqa: ANN401 - the server's
        self._store = store
        self._kinds = kinds
        super().__init__(*arguments)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        self._query = {key: values[0] for key, values in parse_qs(url.query).items()}
        try:
            if (answer := self._discovered(url.path)) is None:
                answer = self._asked(url.path, body)
        except RefusedError as refused:
            self._answer(refused.status, refused.code)
        else:
            if answer is not None:
                self._answer(answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815 - the names of the base class

    def _answer(self, document: Object, code: int = 200) -> None:
        self._send(json.dumps(document).encode(), "application/json", code)

    def _send(self, body: bytes, kind: str, code: int = 200) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    # What there is

    def _discovered(self, path: str) -> Object | None:
        versions = sorted({kind.group_version for kind in self._kinds})
        match path:
            case "/version":
                major, minor = KUBERNETES.split(".")
                return {"major": major, "minor": minor, "gitVersion": f"v{KUBERNETES}.0", "platform": "linux/amd64"}
            case "/api":
                return {"kind": "APIVersions", "versions": ["v1"]}
            case "/apis":
                groups = [_group(version) for version in versions if "/" in version]
                return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
            case "/openapi/v3":
                return {"paths": {}}
        if (version := path.removeprefix("/apis/").removeprefix("/api/")) in versions:
            resources = [kind.resource for kind in self._kinds if kind.group_version == version]
            return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources}
        return None

    # Objects

    def _asked(self, path: str, body: bytes) -> Object | None:
        if path == "/openapi/v2":  # an empty document: clients then leave validation to the server
            self._send(b"", "application/com.github.proto-openapi.spec.v2.v1.0+protobuf")
            return None
        kind, namespace, name = self._located(path)
        if self.command == "GET" and name is None:
            return self._listed(kind, namespace)
        if self.command == "GET":
            return self._store.get(Key(kind, namespace, str(name)))
        if self.command == "DELETE":
            self._store.delete(Key(kind, namespace, str(name)))
            return {"kind": "Status", "apiVersion": "v1", "status": "Success"}
        return self._written(kind, namespace, name, body)

    def _located(self, path: str) -> tuple[Kind, str | None, str | None]:
        found = NAMESPACE.fullmatch(path) or PATH.fullmatch(path)
        parts = found.groupdict() if found else {}
        for kind in self._kinds:
            if (kind.group_version, kind.plural) == (parts.get("gv", "v1"), parts.get("plural")):
                return kind, parts.get("ns"), parts.get("name")
        raise RefusedError(404, "NotFound", "the server could not find the requested resource")

    def _written(self, kind: Kind, namespace: str | None, name: str | None, body: bytes) -> Object:
        document = read_object(body) if body.startswith(MAGIC) else yaml.safe_load(body)
        key = Key(kind, namespace, name or document["metadata"]["name"])
        if self.command == "POST" and key.name in {it["metadata"]["name"] for it in self._store.all(kind, namespace)}:
            raise RefusedError(409, "AlreadyExists", f'{kind.plural} "{key.name}" already exists')
        if self.command == "PATCH" and "apply-patch" not in self.headers.get("Content-Type", ""):
            document = _merged(self._store.get(key), document)
        return self._store.put(key, document, dry=self._query.get("dryRun") == "All")

    def _listed(self, kind: Kind, namespace: str | None) -> Object | None:
        items = [document for document in self._store.all(kind, namespace) if self._is_wanted(document)]
        if self._query.get("watch") in {"true", "1"}:
            self._watch(kind, items if "resourceVersion" not in self._query or self._wants_all() else [])
            return None
        metadata = {"resourceVersion": str(self._store.version)}
        return {"kind": f"{kind.name}List", "apiVersion": kind.group_version, "metadata": metadata, "items": items}

    def _is_wanted(self, document: Object) -> bool:
        metadata = document["metadata"]
        labels = dict(
            part.replace("==", "=").split("=") for part in self._query.get("labelSelector", "").split(",") if part
        )
        fields = dict(part.split("=") for part in self._query.get("fieldSelector", "").split(",") if part)
        return labels.items() <= metadata.get("labels", {}).items() and (
            fields.get("metadata.name", metadata["name"]) == metadata["name"]
        )

    def _wants_all(self) -> bool:
        return self._query.get("sendInitialEvents") == "true"

    def _watch(self, kind: Kind, known: list[Object]) -> None:
        """Tell what there is, then what happens, until the client has gone or nothing happens any more."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        events = self._store.events(kind, seconds=QUIET_SECONDS)
        try:
            for document in known:
                self._tell("ADDED", document)
            if self._wants_all():
                self._tell("BOOKMARK", self._bookmark(kind))
            while event := next(events):
                if self._is_wanted(event.document):
                    self._tell(event.type, event.document)
        except ConnectionError:
            return

    def _bookmark(self, kind: Kind) -> Object:
        annotations = {"k8s.io/initial-events-end": "true"}
        metadata = {"resourceVersion": str(self._store.version), "annotations": annotations}
        return {"apiVersion": kind.group_version, "kind": kind.name, "metadata": metadata}

    def _tell(self, event: str, document: Object) -> None:
        self.wfile.write(json.dumps({"type": event, "object": document}).encode() + b"\n")
        self.wfile.flush()


def _group(version: str) -> Object:
    told = {"groupVersion": version, "version": version.partition("/")[2]}
    return {"name": version.partition("/")[0], "versions": [told], "preferredVersion": told}


def _merged(before: Object, change: Object) -> Object:
    """A JSON merge patch (RFC 7396)."""
    merged = dict(before)
    for key, value in change.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            merged[key] = _merged(merged.get(key) or {}, value)
        else:
            merged[key] = value
    return merged
