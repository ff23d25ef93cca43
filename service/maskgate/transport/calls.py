"""What both skins do around every call: who calls, the deadline, the metrics, the log."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from maskgate.domain.call import Call, Deadline
from maskgate.domain.errors import Overloaded
from maskgate.domain.tenant import Quota
from maskgate.transport.records import Recorder
from maskgate.transport.status import HTTP_STATUS
from maskgate.usecases.within import within

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from prometheus_client import Counter

    from maskgate.domain.tenant import Tenant
    from maskgate.telemetry import CallMetrics
    from maskgate.telemetry.tracing import Tracer
    from maskgate.usecases.authenticate_caller import AuthenticateCaller
    from maskgate.usecases.charge_tenant import ChargeTenant

_TRACE = ("traceparent", "tracestate")
_MOST_TRACE = 512  # characters, which is what whoever hands a tracestate on should keep (W3C Trace Context, 3.3.1.5)
_TOO_LONG = "-" * (_MOST_TRACE + 1)
_BEARER = "bearer "  # RFC 6750; the scheme's case does not matter (RFC 9110, section 11.1)


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a client says around a request: metadata of gRPC, headers of HTTP.

    Attributes:
        authorization: `Bearer` and an API key.
        deadline: Seconds from now after which the answer is of no use.
        trace: The client's trace, as W3C's Trace Context has it.
    """

    authorization: str | None = field(default=None, repr=False)
    deadline: float | None = None
    trace: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, headers: Mapping[str, str], *, deadline: float | None = None) -> Envelope:
        """Read one; names are in lower case. What is too long to be a trace is none."""
        trace = {name: headers[name] for name in _TRACE if len(headers.get(name, _TOO_LONG)) <= _MOST_TRACE}
        return cls(headers.get("authorization"), deadline, trace)

    @property
    def key(self) -> str | None:
        """The API key, None where there is none."""
        said = self.authorization or ""
        return said[len(_BEARER) :].strip() if said[: len(_BEARER)].lower() == _BEARER else None


@dataclass(frozen=True, slots=True)
class Traffic:
    """The counters of bytes that one protocol moves."""

    received: Counter
    sent: Counter


class CallObserver:
    """Tells who calls, counts, times and logs calls, and ends those that take too long.

    Args:
        metrics: Where to count.
        authenticate: Tells who calls.
        charge: Counts the call against the caller's limit.
        max_seconds: The deadline of a call whose client gives none or a longer one.
        method_seconds: The same for methods that take another time than most, such as streams, by their names in gRPC.
        max_calls: Calls at once, over both protocols; further ones are refused.
        tracer: Keeps a span of each call, if traces are kept.
    """

    def __init__(
        self,
        metrics: CallMetrics,
        *,
        authenticate: AuthenticateCaller,
        charge: ChargeTenant,
        max_seconds: float,
        max_calls: int,
        method_seconds: Mapping[str, float] | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self._metrics = metrics
        self._recorder = Recorder(metrics, tracer)
        self._authenticate = authenticate
        self._charge = charge
        self._max_seconds = max_seconds
        self._method_seconds = method_seconds or {}
        self._places = max_calls

    def caller(self, envelope: Envelope) -> Tenant:
        """Tell who calls. Raises Unauthenticated."""
        return self._authenticate(envelope.key)

    def expect(self, protocol: str, methods: Iterable[str]) -> None:
        """Expose what calls of these methods can be counted as, before there are any."""
        self._metrics.in_flight.labels(protocol)
        for method in methods:
            self._metrics.seconds.labels(protocol, method)
            for code in HTTP_STATUS:
                self._metrics.answered.labels(protocol, method, code.name)

    def traffic(self, protocol: str) -> Traffic:
        """Return where to count the bytes of a protocol."""
        return Traffic(self._metrics.received_bytes.labels(protocol), self._metrics.sent_bytes.labels(protocol))

    @asynccontextmanager
    async def call(self, protocol: str, method: str, envelope: Envelope) -> AsyncIterator[Call]:
        """Surround a call. Nothing of the request is to be read before it.

        Raises:
            Unauthenticated: Nobody knows who calls.
            QuotaExceeded: The caller has made too many calls.
            DeadlineExceeded: It passed.
            Overloaded: Too many calls are being answered.
        """
        longest = self._method_seconds.get(method, self._max_seconds)
        seconds = longest if envelope.deadline is None else min(envelope.deadline, longest)
        with self._recorder.call(protocol, method, parent=envelope.trace) as facts:
            async with self._place(), within(seconds):
                tenant = self.caller(envelope)
                if tenant.name:
                    facts["tenant"] = tenant.name
                await self._charge(tenant, Quota.CALLS, 1)
                yield Call(Deadline.after(seconds), tenant=tenant)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        if self._places <= 0:
            raise Overloaded("Too many calls are being answered.")
        self._places -= 1
        try:
            yield
        finally:
            self._places += 1
