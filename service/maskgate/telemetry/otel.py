"""Spans kept by OpenTelemetry and sent over OTLP/HTTP. Imported only where that is wanted: it needs the extra `otel`.

The current span is in a variable of ours, not in OpenTelemetry's: a stream whose client has left may be closed by
another task, whose context is another one, and that is no error to be logged.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING

import requests
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from maskgate.domain.errors import MaskgateError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from maskgate.telemetry.tracing import Headers

_PATH = "/v1/traces"
_LIMITS = SpanLimits(max_span_attributes=16, max_events=0, max_links=0, max_span_attribute_length=128)
_QUEUE, _BATCH, _DELAY_MILLISECONDS = 2048, 512, 1000
_EXPORT_SECONDS = 5.0
_current: ContextVar[Context | None] = ContextVar("maskgate_span", default=None)


def create_provider(endpoint: str, *, ratio: float, version: str) -> TracerProvider:
    """Create what keeps spans and sends them in batches, from a thread of its own; what it cannot send it drops.

    Args:
        endpoint: The base URL of an OTLP/HTTP receiver.
        ratio: How many of the traces that begin here are kept. Those that a client began are if it says so.
        version: The gateway's.
    """
    session = requests.Session()
    session.trust_env = False  # the environment's proxy would be asked even for 127.0.0.1
    exporter = OTLPSpanExporter(endpoint.rstrip("/") + _PATH, timeout=_EXPORT_SECONDS, session=session)
    provider = TracerProvider(
        sampler=ParentBasedTraceIdRatio(ratio),
        resource=Resource({"service.name": "maskgate", "service.version": version}),
        span_limits=_LIMITS,
        shutdown_on_exit=False,
    )
    provider.add_span_processor(BatchSpanProcessor(exporter, _QUEUE, _DELAY_MILLISECONDS, _BATCH))
    return provider


class OtelTracer:
    """A Tracer on OpenTelemetry."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("maskgate")
        self._propagator = TraceContextTextMapPropagator()

    @contextmanager
    def serving(self, name: str, /, *, parent: Mapping[str, str], **attributes: str) -> Iterator[ServedSpan]:
        """See Tracer."""
        context = self._propagator.extract(parent, Context())
        span = self._tracer.start_span(name, context, SpanKind.SERVER, attributes)
        with _in(span):
            yield ServedSpan(span)

    @contextmanager
    def asking(self, name: str, /, **attributes: str | int) -> Iterator[None]:
        """See Tracer."""
        with self._failing(self._tracer.start_span(name, _current.get(), SpanKind.CLIENT, attributes)):
            yield

    @contextmanager
    def doing(self, name: str, /) -> Iterator[None]:
        """See Tracer."""
        with self._failing(self._tracer.start_span(name, _current.get())):
            yield

    def handed_on(self) -> Headers:
        """See Tracer."""
        headers: dict[str, str] = {}
        self._propagator.inject(headers, _current.get())
        return tuple(headers.items())

    @contextmanager
    def _failing(self, span: Span) -> Iterator[None]:
        """Tell an error by its reason: its text may hold words of a client."""
        with _in(span):
            try:
                yield
            except BaseException as error:
                reason = error.reason if isinstance(error, MaskgateError) else type(error).__name__
                span.set_attribute("error.type", reason)
                span.set_status(Status(StatusCode.ERROR))
                raise


class ServedSpan:
    """The span of a call of a client."""

    def __init__(self, span: Span) -> None:
        self._span = span

    @property
    def trace_id(self) -> str | None:
        """See Served."""
        context = self._span.get_span_context()
        return f"{context.trace_id:032x}" if context.trace_flags.sampled else None

    def answered(self, code: str, *, fault: bool, **facts: str) -> None:
        """See Served."""
        self._span.set_attributes({"rpc.response.status_code": code, **facts})
        if fault:
            self._span.set_status(Status(StatusCode.ERROR))


@contextmanager
def _in(span: Span) -> Iterator[None]:
    token = _current.set(set_span_in_context(span, Context()))
    try:
        yield
    finally:
        with suppress(ValueError):  # closed in another context, which has no span
            _current.reset(token)
        span.end()
