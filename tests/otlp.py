"""A receiver of traces over OTLP/HTTP, as protobuf (the gateway's) and as JSON (Triton's)."""

from __future__ import annotations

import json
import threading
import time
from base64 import b64encode
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_IDS = {"traceId", "spanId", "parentSpanId"}


@dataclass(frozen=True)
class Span:
    """A span as it came: identifiers in hexadecimal, `parent` empty for a root."""

    service: str
    name: str
    trace: str
    span: str
    parent: str
    attributes: dict[str, str | int]


@dataclass
class Receiver:
    """What has come so far, in its order, and as the bytes that it came in."""

    endpoint: str
    spans: list[Span] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def until(self, come: Callable[[list[Span]], bool], *, seconds: float = 20) -> list[Span]:
        """Wait until the spans are as they are to be."""
        end = time.monotonic() + seconds
        while not come(self.spans):
            assert time.monotonic() < end, f"only these spans came: {self.spans}"
            time.sleep(0.02)
        return list(self.spans)

    def take(self, body: bytes, kind: str) -> None:
        self.bodies.append(body)
        request = _from_json(body) if kind == "application/json" else ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            service = next(it.value.string_value for it in resource.resource.attributes if it.key == "service.name")
            self.spans += [_span(service, it) for scope in resource.scope_spans for it in scope.spans]


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Receives on the loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.take(body, self.headers["Content-Type"])
            self.send_response(200 if self.path == "/v1/traces" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    received = Receiver(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _span(service: str, span: Any) -> Span:  # noqa: ANN401 - a message
    attributes = {it.key: getattr(it.value, it.value.WhichOneof("value")) for it in span.attributes}
    ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
    return Span(service, span.name, *ids, attributes)


def _from_json(body: bytes) -> ExportTraceServiceRequest:
    """Read OTLP's JSON, whose identifiers are hexadecimal where protobuf's would be base64."""
    read: ExportTraceServiceRequest = ParseDict(
        json.loads(body, object_hook=_with_base64), ExportTraceServiceRequest(), ignore_unknown_fields=True
    )
    return read


def _with_base64(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: b64encode(bytes.fromhex(value)).decode() if name in _IDS else value for name, value in fields.items()}
