"""What is left of every call: figures, a line in the log, and a span where traces are kept."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING

import structlog
from grpc import StatusCode

from maskgate.domain.errors import MaskgateError
from maskgate.telemetry.facts import collected
from maskgate.telemetry.tracing import Untraced
from maskgate.transport.status import code_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from maskgate.telemetry import CallMetrics
    from maskgate.telemetry.tracing import Served, Tracer

_log = structlog.get_logger(__name__)
_FAULTS = (StatusCode.INTERNAL, StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED)
"""Codes that make the span of a server an error (OpenTelemetry's semantic conventions for gRPC)."""

_ANSWERED_CLICK = ("Segment", StatusCode.OK)


class Recorder:
    """Records calls. Nothing of what clients send is recorded but the trace that they say theirs is."""

    def __init__(self, metrics: CallMetrics, tracer: Tracer | None = None) -> None:
        self._metrics = metrics
        self._tracer = tracer or Untraced()

    @contextmanager
    def call(self, protocol: str, method: str, *, parent: Mapping[str, str]) -> Iterator[dict[str, str]]:
        """Surround a call; what is added to the facts that this gives is recorded with it."""
        started, code = perf_counter(), StatusCode.OK
        with (
            self._metrics.in_flight.labels(protocol).track_inprogress(),
            collected() as facts,
            self._tracer.serving(method, parent=parent, protocol=protocol) as served,
        ):
            try:
                yield facts
            except BaseException as error:
                code = _code_for(error)
                _report(error, code, protocol=protocol, method=method, **_traced(served))
                raise
            finally:
                seconds = perf_counter() - started
                self._metrics.answered.labels(protocol, method, code.name).inc()
                self._metrics.seconds.labels(protocol, method).observe(seconds)
                if (method, code) == _ANSWERED_CLICK and "cache" in facts:
                    self._metrics.click_seconds.labels(facts["cache"]).observe(seconds)
                served.answered(code.name, fault=code in _FAULTS, **facts)
                said = {"protocol": protocol, "method": method, "code": code.name, **facts, **_traced(served)}
                _log.info("call", **said, ms=round(seconds * 1e3, 2))


def _traced(served: Served) -> dict[str, str]:
    return {} if served.trace_id is None else {"trace_id": served.trace_id}


def _code_for(error: BaseException) -> StatusCode:
    if isinstance(error, MaskgateError):
        return code_of(error)
    if isinstance(error, asyncio.CancelledError):
        return StatusCode.CANCELLED
    return StatusCode.INTERNAL


def _report(error: BaseException, code: StatusCode, **said: str) -> None:
    """Log what is the service's fault, with its cause; a client's mistake is the client's to see."""
    if code is StatusCode.INTERNAL:
        _log.error("call.failed", **said, exc_info=error)
    elif code is StatusCode.UNAVAILABLE:
        _log.warning("call.unavailable", **said, error=str(error))
